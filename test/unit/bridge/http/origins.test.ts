import { describe, expect, it } from 'vitest'
import { checkOrigins, namesOrigin } from '../../../../bridge/http/origins.ts'
import type { LogEvent } from '../../../../bridge/log/log.ts'
import { openToAll } from '../../../support/open-to-all.ts'
import { bridgeFor } from '../session/scripted-client.ts'

describe('origins', () => {
  const options = { auth: openToAll, origins: ['https://app.example.com'] }
  const request = (origin: string | undefined, path = '/nothing') =>
    bridgeFor(options).bridge.app.request(`http://bridge.example.com${path}`, {
      headers: origin ? { Origin: origin } : {},
    })

  it('are accepted from the option and the own host, and if missing', async () => {
    expect((await request('https://app.example.com')).headers.get('Access-Control-Allow-Origin')).toBe(
      'https://app.example.com',
    )
    expect((await request('http://bridge.example.com')).status).toBe(404)
    expect((await request(undefined)).status).toBe(404)
    for (const spoof of ['https://evil.example', 'https://app.example.com.evil.example', 'null', 'app.example.com']) {
      expect((await request(spoof)).status).toBe(403)
      expect((await request(spoof, '/nats')).status).toBe(403)
    }
  })

  it('are logged if rejected, at a bounded rate', async () => {
    const events: LogEvent[] = []
    const { app } = bridgeFor({ ...options, log: (event) => void events.push(event) }).bridge
    const ask = (origin: string) => app.request('http://bridge.example.com/nothing', { headers: { Origin: origin } })
    for (let i = 0; i < 20; i++) for (let repeat = 0; repeat < 2; repeat++) await ask(`https://${i}.example`)
    expect(events).toHaveLength(20)
    expect(events[0]).toMatchObject({
      code: 'origin-refused',
      message: 'Pages of https://0.example must not use this bridge. Add the origin to its option "origins".',
      fields: { origin: 'https://0.example' },
    })
  })

  it.each([
    'last-event-id',
    'cache-control',
    'x-requested-with',
    'authorization, last-event-id, nats-expected-last-sequence',
    'x-datadog-trace-id',
  ])('allow pages to send the headers %s', async (asked) => {
    const { app } = bridgeFor(options).bridge
    const headers = {
      Origin: 'https://app.example.com',
      'Access-Control-Request-Method': 'GET',
      'Access-Control-Request-Headers': asked,
    }
    const response = await app.request('http://bridge.example.com/events', { method: 'OPTIONS', headers })
    expect(response.status).toBe(204)
    const allowed = response.headers.get('Access-Control-Allow-Headers')?.toLowerCase().split(/, ?/)
    expect(allowed).toEqual(expect.arrayContaining(asked.split(', ')))
  })
})

describe('origins of this machine', () => {
  const patterns = ['http://localhost:*', 'http://127.0.0.1:*', 'http://[::1]:*', 'https://localhost:*']

  it('can have any port', () => {
    expect(() => checkOrigins(patterns)).not.toThrow()
    const named = ['http://localhost:5173', 'http://127.0.0.1:80', 'http://[::1]:3000', 'https://localhost:8443']
    expect(named.filter((origin) => !namesOrigin(patterns, origin))).toEqual([])
    const others = [
      'https://127.0.0.1:80',
      'http://localhost.evil.example:80',
      'http://evil.example:5173',
      'http://localhost:5173.evil.example',
      'null',
    ]
    expect(others.filter((origin) => namesOrigin(patterns, origin))).toEqual([])
  })

  it.each(['http://*:80', 'https://app.example:*', 'http://localhost*', 'http://localhost:80*', 'http://10.0.0.1:*'])(
    'are the only ones with a pattern: %s is rejected',
    (origin) => expect(() => checkOrigins([origin])).toThrow(/is not an origin/),
  )
})
