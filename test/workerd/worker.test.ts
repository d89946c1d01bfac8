import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RawClient } from '../conformance/edge-protocol/raw-client.ts'
import { createToken, rootToken, SECRET } from '../support/token.ts'
import { type RunningWorker, startWorker } from '../support/workerd.ts'

let worker: RunningWorker
let endpoint: string
let token: string

beforeAll(async () => {
  worker = await startWorker({ secret: SECRET, vars: { ORIGINS: 'https://app.example' } })
  endpoint = `${worker.url.replace('http', 'ws')}/nats`
  token = await rootToken()
}, 60_000)

afterAll(() => worker?.stop())

async function connected(auth = token, options: Record<string, unknown> = {}): Promise<RawClient> {
  const client = await RawClient.open(endpoint)
  await client.exchange(
    `CONNECT ${JSON.stringify({ auth_token: auth, verbose: false, headers: true, no_responders: true, ...options })}\r\n`,
  )
  return client
}

describe('the Worker', () => {
  it('reports its health', async () => {
    const response = await fetch(`${worker.url}/healthz`)
    expect([response.status, await response.json()]).toEqual([
      200,
      expect.objectContaining({ status: 'ok', upstream: 'open' }),
    ])
  })

  it('returns 404 for other paths, and names the endpoint', async () => {
    const response = await fetch(`${worker.url}/nothing`)
    expect([response.status, response.headers.get('Content-Type')]).toEqual([404, 'application/problem+json'])
    expect(await response.json()).toMatchObject({ detail: expect.stringContaining('/nats') })
  })

  it('requires a WebSocket at /nats', async () => {
    expect((await fetch(`${worker.url}/nats`)).status).toBe(426)
  })

  it('sends INFO in binary and carries messages between clients', async () => {
    const [reader, writer] = [await connected(), await connected()]
    expect(reader.infos[0]).toMatchObject({ headers: true, edge: { upstream: 'open' } })
    expect([...reader.kinds]).toEqual(['binary'])
    await reader.exchange('SUB orders.*.created 7\r\n')
    await writer.exchange('PUB orders.42.created 5\r\nhello\r\n')
    expect(await reader.next()).toEqual({ line: 'MSG orders.42.created 7 5', payload: 'hello' })
    reader.close()
    writer.close()
  })

  it('accepts text frames like binary frames', async () => {
    const client = await connected()
    client.sendText('PING\r\n')
    expect(await client.next()).toEqual({ line: 'PONG' })
    client.close()
  })

  it('publishes by HTTP', async () => {
    const reader = await connected()
    await reader.exchange('SUB orders.> 1\r\n')
    const response = await fetch(`${worker.url}/publish/orders.1`, {
      method: 'POST',
      body: 'by http',
      headers: { Authorization: `Bearer ${token}`, 'Idempotency-Key': 'k1' },
    })
    expect(response.status).toBe(202)
    const message = await reader.next()
    expect(message).toMatchObject({ line: expect.stringContaining('HMSG orders.1 1 '), payload: 'by http' })
    expect(message?.headers).toContain('Nats-Msg-Id: k1\r\n')
    reader.close()
  })

  it('carries a request by HTTP to a responder and back', async () => {
    const responder = await connected()
    await responder.exchange('SUB quotes.get 1\r\n')
    const answer = fetch(`${worker.url}/request/quotes.get`, {
      method: 'POST',
      body: 'ABC',
      headers: { Authorization: `Bearer ${token}` },
    })
    const request = await responder.next()
    const reply = request?.line.split(' ')[3]
    responder.send(`PUB ${reply} 2\r\n42\r\n`)
    expect(await (await answer).text()).toBe('42')
    const nobody = await fetch(`${worker.url}/request/quotes.none`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${token}` },
    })
    expect([nobody.status, await nobody.json()]).toEqual([503, expect.objectContaining({ code: 'no-responders' })])
    responder.close()
  })

  it('refuses a publish without a token, and one that the token does not permit', async () => {
    const post = (authorization?: string) =>
      fetch(`${worker.url}/publish/secret.plans`, {
        method: 'POST',
        body: 'x',
        headers: authorization === undefined ? {} : { Authorization: authorization },
      })
    expect((await post()).status).toBe(401)
    const modest = await createToken({ pub: { allow: ['orders.>'] } })
    expect((await post(`Bearer ${modest}`)).status).toBe(403)
  })

  it('refuses pages of other origins, and admits pages of ORIGINS', async () => {
    const ask = (origin: string) => fetch(`${worker.url}/events`, { headers: { Origin: origin } })
    expect((await ask('https://evil.example')).status).toBe(403)
    const welcome = await ask('https://app.example')
    // It gets as far as the check of its query, which has no subject.
    expect([welcome.status, welcome.headers.get('Access-Control-Allow-Origin')]).toEqual([400, 'https://app.example'])
  })
})

describe('a connection ends', () => {
  it('with 1008 and the reason if its token is invalid', async () => {
    const client = await RawClient.open(endpoint)
    const { lines, ending } = await client.exchange('CONNECT {"auth_token":"nonsense"}\r\n')
    expect(lines).toEqual([{ line: "-ERR 'Authorization Violation'" }])
    expect(ending).toEqual({ code: 1008, reason: 'Authorization Violation' })
  })

  it('with 1002 after an unknown operation', async () => {
    const client = await connected()
    const { lines, ending } = await client.exchange('GET / HTTP/1.1\r\n')
    expect(lines).toEqual([{ line: "-ERR 'Unknown Protocol Operation'" }])
    expect(ending?.code).toBe(1002)
  })

  it('with 1009 if a message is too large, and other connections stay open', async () => {
    const [client, other] = [await connected(), await connected()]
    const { ending } = await client.exchange(`PUB a ${2 * 1024 * 1024}\r\n`)
    expect(ending?.code).toBe(1009)
    expect(await other.exchange()).toEqual({ lines: [] })
    other.close()
  })

  it.each([
    ['with the code of the client', 1000, 1000],
    ['with a private code of the client', 4321, 4321],
    ['with 1005 if the client gave no code', undefined, 1005],
  ])('at once, %s', async (_, code, expected) => {
    const client = await connected()
    const started = performance.now()
    client.close(code)
    // workerd responds with 1000 if the code cannot be sent.
    expect([expected, 1000]).toContain((await client.ended()).code)
    expect(performance.now() - started).toBeLessThan(5_000)
  })
})

describe('a Worker that is not configured', () => {
  it.each([
    ['without a secret', undefined, {}, 'AUTH_SECRET is not set'],
    ['with a short secret', 'hunter2', {}, 'AUTH_SECRET is shorter'],
    ['with a malformed HUBS', SECRET, { HUBS: 'many' }, 'HUBS'],
  ])('%s reports it on every route, without the secret', async (_, secret, vars, says) => {
    const broken = await startWorker({ secret, vars })
    try {
      for (const path of ['/healthz', '/nats', '/publish/a', '/request/a', '/events', '/varz', '/metrics']) {
        const response = await fetch(`${broken.url}${path}`)
        expect([path, response.status, response.headers.get('Content-Type')]).toEqual([
          path,
          500,
          'application/problem+json',
        ])
        const text = await response.text()
        expect(text).toContain(says)
        expect(text).not.toMatch(/hunter2|\bat .*:\d+/)
      }
    } finally {
      await broken.stop()
    }
  })
})
