import { describe, expect, it, vi } from 'vitest'
import { Log, type LogEvent } from '../../../../bridge/log/log.ts'
import { SpanwireError } from '../../../../sdk/wire/errors.ts'
import { bridgeFor, ScriptedClient, SECRET, sign } from '../session/scripted-client.ts'

const nats = { sub: { allow: ['>'] }, pub: { allow: ['a'] } }

async function refusedBy(token: string, log: (event: LogEvent) => void) {
  const { bridge, now } = bridgeFor({ auth: { secret: SECRET }, log })
  const client = new ScriptedClient(bridge, undefined, { address: '192.0.2.7' })
  client.send(`CONNECT ${JSON.stringify({ auth_token: token, name: 'shop' })}\r\n`)
  await client.until('Authorization')
  return { bridge, now }
}

describe('the log of a bridge', () => {
  it('has refused credentials with the reason, once, and without the token', async () => {
    const events: LogEvent[] = []
    const token = await sign({ sub: 'ada', nats, exp: 1 })
    await refusedBy(token, (event) => events.push(event))
    expect(events).toMatchObject([
      {
        level: 'warn',
        code: 'credentials-refused',
        message: 'The token is not valid.',
        time: 1_800_000_000_000,
        fields: { client: 'shop', address: '192.0.2.7', error: 'authentication-failed' },
      },
    ])
    expect(events[0]?.fields.reason).toMatch(/^The token expired \d+ s ago/)
    expect(JSON.stringify(events)).not.toContain(token.split('.')[1])
  })

  it('has refused credentials of an event stream once', async () => {
    const events: LogEvent[] = []
    const { bridge } = bridgeFor({
      auth: { secret: SECRET },
      schedule: (run) => setTimeout(run, 0),
      log: (event) => void events.push(event),
    })
    const response = await bridge.app.request('/events?subject=a', { headers: { Authorization: 'Bearer nonsense' } })
    expect([response.status, events.map(({ code }) => code)]).toEqual([401, ['credentials-refused']])
  })

  it('has closed clients with the reason, and orders of administrators', async () => {
    const events: LogEvent[] = []
    const { bridge } = bridgeFor({
      auth: { secret: SECRET },
      admin: { key: 'an-administrators-key-of-32-bytes' },
      log: (event) => events.push(event),
    })
    const ada = await ScriptedClient.connected(bridge, { auth_token: await sign({ sub: 'ada', nats }), name: 'shop' })
    const disconnect = (key: string) =>
      bridge.app.request('/admin/disconnect', {
        method: 'POST',
        headers: { Authorization: `Bearer ${key}` },
        body: '{"user":"ada"}',
      })
    expect((await disconnect('another-key-of-at-least-32-characters')).status).toBe(401)
    expect((await disconnect('an-administrators-key-of-32-bytes')).status).toBe(202)
    await ada.until('Revoked')
    const response = await bridge.app.request('/publish/b', {
      method: 'POST',
      body: '1',
      headers: { Authorization: `Bearer ${await sign({ sub: 'ada', nats })}` },
    })
    expect(response.status).toBe(403)
    const refusedPage = await bridge.app.request('/healthz/x', { headers: { Origin: 'https://evil.example' } })
    expect(refusedPage.status).toBe(403)
    expect((await bridge.app.request('/publish/a', { method: 'POST', body: '1' })).status).toBe(401)
    expect(events.map(({ code, fields }) => [code, fields.user ?? fields.path, fields.reason ?? fields.error])).toEqual(
      [
        ['request-refused', 'POST /admin/disconnect', 'authentication-failed'],
        ['admin-order', 'ada', undefined],
        ['client-closed', 'ada', 'User Authentication Revoked'],
        ['request-refused', 'POST /publish/b', 'permission-denied'],
        ['origin-refused', 'GET /healthz/x', 'permission-denied'],
        ['credentials-refused', 'POST /publish/a', 'authentication-failed'],
      ],
    )
  })
})

describe('Log', () => {
  const refusal = new SpanwireError('authentication-failed', 'The token is not valid.')

  it('writes one line per event, without characters that a client could use to forge a line', () => {
    const lines: string[] = []
    const spy = vi.spyOn(console, 'error').mockImplementation((line) => lines.push(line))
    const log = new Log('info', () => 0)
    log.event('debug', 'client-closed', 'Not written.')
    log.refusal('request-refused', refusal, { client: 'a\nb\u001b[31m\u202ec', user: '' })
    spy.mockRestore()
    expect(lines).toEqual([
      `spanwire: 1970-01-01T00:00:00.000Z warn request-refused: The token is not valid. client="a\\nb\\u001b[31m\\u{202e}c" error="authentication-failed"`,
    ])
  })

  it('omits events of one kind over the rate, and reports their number', () => {
    const events: LogEvent[] = []
    let now = 0
    const log = new Log(
      (event) => events.push(event),
      () => now,
    )
    for (let n = 0; n < 100; n++) log.refusal('credentials-refused', refusal, {})
    log.event('info', 'draining', 'Draining.')
    expect(events).toHaveLength(21)
    now = 10_000
    log.refusal('credentials-refused', refusal, {})
    expect(events.at(-1)?.message).toBe('The token is not valid. 80 more events of this kind were not written.')
    // Monitoring has them all.
    expect(log.recent()).toHaveLength(102)
    expect(log.refused).toEqual(new Map([['credentials-refused authentication-failed', 101]]))
  })

  it('keeps a bounded number of bounded events, and survives a logger that fails', () => {
    const log = new Log(() => {
      throw new Error('disk full')
    })
    for (let n = 0; n < 2_000; n++) log.event('info', 'client-closed', 'Closed.', { client: 'x'.repeat(10_000) })
    expect(log.recent()).toHaveLength(500)
    expect(log.recent(1_999).map(({ seq, fields }) => [seq, String(fields.client).length])).toEqual([[2_000, 200]])
  })
})
