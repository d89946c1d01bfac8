import { describe, expect, it } from 'vitest'
import type { BridgeOptions } from '../../../../bridge/bridge.ts'
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
      'ok',
    ])
    expect(seen.slice(0, 2)).toEqual(['a.1 {"x":1}', 'a.2 hi'])
    expect(seen[2]).toHaveLength(4 + 400_000)
  })

  it.each(['9007199254740993', '1e400', '{"a":1,"a":2}', ' [ 1 ,\t2 ] ', '"\\u0041\\/"', '-0', '1.0', 'true'])(
    'publishes the data %s as it was sent',
    async (data) => {
      const { post, upstream } = await authorized()
      const seen: string[] = []
      upstream.subscribe('a.>', undefined, ({ payload }) => void seen.push(utf8(payload)))
      for (const line of [
        `{"subject":"a.1","data":${data}}`,
        `{"data":${data},"id":"x","subject":"a.1"}\r`,
        `{"data":1,"subject":"a.1","d\\u0061ta":${data}}`,
      ])
        expect(await (await post('/publish', line)).json()).toEqual({ ok: true })
      await post('/publish/a.1', data)
      expect(seen.map((text, index) => (index < 3 ? text.trim() : text))).toEqual([...Array(3).fill(data.trim()), data])
    },
  )

  it.each(['{"toString":1,"valueOf":1}', '{}', '[42]', 'null', 'true', '-1', '1.5', '"x"'])(
    'rejects the sequence %s of one line, and publishes the others',
    async (seq) => {
      const { post } = await authorized()
      for (const name of ['expectLastSeq', 'expectLastSubjectSeq']) {
        const response = await post('/publish', `{"subject":"a.1","${name}":${seq}}\n{"subject":"a.2","data":1}\n`)
        const results = (await response.text()).trim().split('\n')
        expect(results.map((line) => JSON.parse(line))).toEqual([
          { ok: false, code: 'invalid-argument', detail: expect.stringContaining('must be a sequence') },
          { ok: true },
        ])
      }
    },
  )

  it('counts every line towards the rate: empty, blank, invalid and rejected ones', async () => {
    for (const line of ['', ' \t\r', 'nonsense', '{"subject":"b"}', '{"subject":"a.1","base64":"*"}']) {
      const { post } = await authorized({ limits: { publishRate: { messages: 5, bytes: 1_000_000 } } })
      await post('/publish', `${line}\n`.repeat(5))
      expect(await codeOf(await post('/publish/a.b')), JSON.stringify(line)).toEqual([429, 'rate-limited'])
    }
  })

  it('rejects a batch of too many lines, and counts its bytes', async () => {
    const { post } = await authorized({ limits: { publishRate: { messages: 20_000, bytes: 1_000_000 } } })
    const response = await post('/publish', '\n'.repeat(1_000_000))
    expect(await codeOf(response)).toEqual([400, 'invalid-argument'])
    expect(await codeOf(await post('/publish/a.b'))).toEqual([429, 'rate-limited'])
  })

  it('ignores a byte order mark at the beginning', async () => {
    const { post } = await authorized()
    expect(await (await post('/publish', '\ufeff{"subject":"a.1"}')).json()).toEqual({ ok: true })
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

  it('responds without delay while the filter of a client includes the inbox of the request', async () => {
    const { bridge, post } = await authorized()
    const token = await sign({ sub: 'eve', nats: { sub: { allow: ['>'] } } })
    const client = await ScriptedClient.connected(bridge, { auth_token: token })
    client.send('SUB *.*.* 1\r\nPING\r\n')
    await client.until('PONG\r\n')
    expect(await codeOf(await post('/request/a.unanswered'))).toEqual([503, 'no-responders'])
    expect(await client.turn()).toBe('')
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
