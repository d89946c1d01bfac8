import { describe, expect, it } from 'vitest'
import type { BridgeOptions } from '../../../../bridge/bridge.ts'
import { bridgeFor, SECRET, sign } from '../session/scripted-client.ts'

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
