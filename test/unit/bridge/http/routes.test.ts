import { afterEach, describe, expect, it, vi } from 'vitest'
import type { BridgeOptions } from '../../../../bridge/bridge.ts'
import type { ClientSocket } from '../../../../bridge/delivery/client-socket.ts'
import { eventually } from '../../../support/eventually.ts'
import { coreOf } from '../../../support/hub-core.ts'
import { openToAll } from '../../../support/open-to-all.ts'
import { bridgeFor, ScriptedClient, SECRET, sign } from '../session/scripted-client.ts'

const nats = { pub: { allow: ['a.>'] } }
const utf8 = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

async function authorized(options: Partial<BridgeOptions> = {}) {
  const { bridge, upstream } = bridgeFor({ auth: { secret: SECRET }, ...options })
  const headers = { Authorization: `Bearer ${await sign({ sub: 'ada', nats })}` }
  const post = (path: string, body = '', more: Record<string, string> = {}) =>
    bridge.app.request(path, { method: 'POST', body, headers: { ...headers, ...more } })
  return { bridge, upstream, headers, post }
}

const codeOf = async (response: Response) => [response.status, ((await response.json()) as { code: string }).code]

describe('POST /publish/:subject', () => {
  it('publishes the body with its id and headers', async () => {
    const { post, upstream } = await authorized()
    const seen: string[] = []
    upstream.subscribe('a.>', undefined, ({ subject, headers, payload }) => {
      seen.push(`${subject} ${utf8(headers ?? new Uint8Array())}${utf8(payload)}`)
    })
    const given = encodeURIComponent(
      JSON.stringify([
        ['X', '1'],
        ['x', 'ü'],
      ]),
    )
    const response = await post('/publish/a.b', 'hello', { 'Idempotency-Key': 'id-1', 'Nats-Headers': given })
    expect([response.status, await response.json()]).toEqual([202, {}])
    expect(seen[0]).toMatch(/^a\.b NATS\/1\.0\r\nNats-Msg-Id: id-1\r\nSpanwire-Time: \d+\r\nX: 1\r\nx: ü\r\n\r\nhello$/)
    await post('/publish/a.b', '')
    expect(seen[1]).toMatch(/Nats-Msg-Id: [0-9a-f-]{36}\r\n/)
  })

  it.each([
    ['/publish/b', {}, 403, 'permission-denied'],
    ['/publish/a.*', {}, 400, 'invalid-subject'],
    ['/publish/a%20b', {}, 400, 'invalid-subject'],
    ['/publish/a%0d%0aPUB%20b', {}, 400, 'invalid-subject'],
    ['/publish/%24EDGE.ADMIN', {}, 403, 'permission-denied'],
    ['/publish/a.b', { 'Nats-Headers': 'x' }, 400, 'invalid-header'],
    ['/publish/a.b', { 'Nats-Headers': encodeURIComponent('[["A","b\\r\\nC: d"]]') }, 400, 'invalid-header'],
    ['/publish/a.b', { 'Nats-Headers': encodeURIComponent('[["A: b\\r\\nC","d"]]') }, 400, 'invalid-header'],
    ['/publish/a.b', { Authorization: 'Bearer nonsense' }, 401, 'authentication-failed'],
    ['/publish/a.b', { Authorization: '' }, 401, 'authentication-failed'],
  ])('rejects %s with %j', async (path, headers, status, code) => {
    const { post } = await authorized()
    const response = await post(path, 'x', headers)
    expect(response.headers.get('Content-Type')).toBe('application/problem+json')
    expect(await codeOf(response)).toEqual([status, code])
  })

  it('rejects large payloads, and publishes over the rate', async () => {
    const { post } = await authorized({
      limits: { maxPayload: 200, maxHeaders: 100, publishRate: { messages: 2, bytes: 1_000 } },
    })
    expect(await codeOf(await post('/publish/a.b', 'x'.repeat(200)))).toEqual([413, 'payload-too-large'])
    expect((await post('/publish/a.b')).status).toBe(202)
    const response = await post('/publish/a.b')
    expect([response.headers.get('Retry-After'), ...(await codeOf(response))]).toEqual(['1', 429, 'rate-limited'])
  })
})

describe('POST /publish', () => {
  it('publishes a batch, and responds to each line', async () => {
    const { post, upstream } = await authorized()
    const seen: string[] = []
    upstream.subscribe('a.>', undefined, ({ subject, payload }) => void seen.push(`${subject} ${utf8(payload)}`))
    const lines = [
      '{"subject":"a.1","data":{"x":1}}',
      '{"subject":"b","data":1}',
      'nonsense',
      '{"subject":"a.2","base64":"aGk="}',
      '{"subject":"a.3","headers":[["A","b\\r\\nC: d"]]}',
      '{"subject":"a.4","headers":{"A":"b"}}',
      '{"subject":"a.5","base64":"*"}',
      'null',
      `{"subject":"a.6","data":${'['.repeat(200_000)}${']'.repeat(200_000)}}`,
    ]
    const response = await post('/publish', lines.join('\n'))
    const results = (await response.text())
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(results.map(({ ok, code }) => (ok ? 'ok' : code))).toEqual([
      'ok',
      'permission-denied',
      'invalid-data',
      'ok',
      'invalid-header',
      'invalid-header',
      'invalid-data',
      'invalid-subject',
      'invalid-data',
    ])
    expect(seen).toEqual(['a.1 {"x":1}', 'a.2 hi'])
  })
})

describe('POST /request/:subject', () => {
  it('responds with the reply, and with an error without one', async () => {
    const { post, upstream } = await authorized()
    upstream.subscribe('a.echo', undefined, ({ reply, payload }) => {
      if (reply)
        upstream.publish({ subject: reply, payload, headers: new TextEncoder().encode('NATS/1.0\r\nA: b\r\n\r\n') })
    })
    const response = await post('/request/a.echo', 'hi')
    expect([response.status, await response.text()]).toEqual([200, 'hi'])
    expect(decodeURIComponent(response.headers.get('Nats-Headers') ?? '')).toBe('[["A","b"]]')
    expect(await codeOf(await post('/request/a.unanswered'))).toEqual([503, 'no-responders'])
    upstream.subscribe('a.mute', undefined, () => {})
    expect(await codeOf(await post('/request/a.mute?timeout=20'))).toEqual([504, 'timeout'])
    expect(await codeOf(await post('/request/a.mute?timeout=x'))).toEqual([400, 'invalid-argument'])
  })
})

describe('a reply with invalid headers', () => {
  it.each(['hello\r\n\r\n', 'NATS/2.0\r\n\r\n', ' '])('is delivered without them: %j', async (block) => {
    const { post, upstream } = await authorized()
    upstream.subscribe('a.odd', undefined, ({ reply = '', payload }) => {
      upstream.publish({ subject: reply, payload, headers: new TextEncoder().encode(block) })
    })
    const response = await post('/request/a.odd', 'hi')
    expect([response.status, await response.text()]).toEqual([200, 'hi'])
  })
})

describe('origins', () => {
  afterEach(() => void vi.restoreAllMocks())

  const options = { auth: openToAll, origins: ['https://app.example.com'] }
  const request = (origin: string | undefined, path = '/healthz') =>
    bridgeFor(options).bridge.app.request(`http://bridge.example.com${path}`, {
      headers: origin ? { Origin: origin } : {},
    })

  it('are those of the option and the own host, or missing', async () => {
    expect((await request('https://app.example.com')).headers.get('Access-Control-Allow-Origin')).toBe(
      'https://app.example.com',
    )
    expect((await request('http://bridge.example.com')).status).toBe(200)
    expect((await request(undefined)).status).toBe(200)
    vi.spyOn(console, 'warn').mockReturnValue()
    for (const spoof of ['https://evil.example', 'https://app.example.com.evil.example', 'null', 'app.example.com']) {
      expect((await request(spoof)).status).toBe(403)
      expect((await request(spoof, '/nats')).status).toBe(403)
    }
  })

  it('that are rejected are logged once each, up to ten', async () => {
    const warn = vi.spyOn(console, 'warn').mockReturnValue()
    const { app } = bridgeFor(options).bridge
    const ask = (origin: string) => app.request('http://bridge.example.com/healthz', { headers: { Origin: origin } })
    for (let i = 0; i < 20; i++) for (let repeat = 0; repeat < 2; repeat++) await ask(`https://${i}.example`)
    expect(warn).toHaveBeenCalledTimes(10)
    expect(warn).toHaveBeenCalledWith(
      'spanwire: Pages of https://0.example must not use this bridge. Add the origin to its option "origins".',
    )
  })
})

describe('cookies', () => {
  async function connect(origins: BridgeOptions['origins'], origin: string | undefined) {
    const { bridge } = bridgeFor({ auth: { secret: SECRET, cookie: 'token' }, ...(origins && { origins }) })
    const sent: string[] = []
    const socket: ClientSocket = { send: (bytes) => void sent.push(utf8(bytes)), close: () => void sent.push('closed') }
    const headers = {
      Upgrade: 'websocket',
      Cookie: `token=${await sign({ sub: 'ada' })}`,
      ...(origin && { Origin: origin }),
    }
    await bridge.app.request(
      'http://bridge.example.com/nats',
      { headers },
      {
        upgrade: (open) => {
          open(socket).receive(new TextEncoder().encode('CONNECT {"verbose":false}\r\nPING\r\n'))
          return new Response()
        },
      },
    )
    await eventually(() => {
      coreOf(bridge.hub).turn.flush()
      return /PONG|closed/.test(sent.join(''))
    })
    return /PONG/.test(sent.join(''))
  }

  it('are accepted from pages of the own host and of allowed origins', async () => {
    expect(await connect(undefined, 'http://bridge.example.com')).toBe(true)
    expect(await connect(['https://app.example.com'], 'https://app.example.com')).toBe(true)
    expect(await connect('*', 'https://evil.example')).toBe(false)
    expect(await connect('*', undefined)).toBe(false)
  })
})

describe('GET', () => {
  it('/healthz reports whether NATS is available', async () => {
    const { bridge, upstream } = bridgeFor()
    const response = await bridge.app.request('/healthz')
    expect([response.status, await response.json()]).toEqual([
      200,
      { status: 'ok', upstream: 'open', broker: 'embedded' },
    ])
    await upstream.close()
    expect((await bridge.app.request('/healthz')).status).toBe(503)
  })

  it('/healthz reports draining, during which no clients are accepted', async () => {
    const { bridge } = bridgeFor()
    const client = await ScriptedClient.connected(bridge)
    let isDrained = false
    const drained = bridge.hub.drain(60_000).then(() => {
      isDrained = true
    })
    expect(await client.turn()).toContain('"ldm":true')
    const health = await bridge.app.request('/healthz')
    expect([health.status, await health.json()]).toEqual([503, expect.objectContaining({ status: 'draining' })])
    for (const path of ['/nats', '/nats/stream']) {
      const response = await bridge.app.request(path, { headers: { Upgrade: 'websocket' } })
      expect(await codeOf(response)).toEqual([503, 'upstream-unavailable'])
    }
    expect(isDrained).toBe(false)
    client.connection.closed()
    await drained
    const late = await ScriptedClient.connected(bridge)
    await bridge.hub.drain(1)
    expect(late.closes).toEqual([])
    bridge.close()
    expect(late.closes).toMatchObject([{ code: 1001 }])
  })

  it('/nats without an upgrade describes itself', async () => {
    expect((await bridgeFor().bridge.app.request('/nats')).status).toBe(426)
  })
})
