import { connect, type NatsConnection } from 'nats'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type BridgeServer, serve } from '../../bridge/hosts/node.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'
import { rootToken, SECRET } from '../support/token.ts'

let nats: NatsServer
let backend: NatsConnection
let bridge: BridgeServer
let token: string

beforeAll(async () => {
  nats = await startNatsServer({ jetstream: true })
  backend = await connect({ servers: nats.url })
  const manager = await backend.jetstreamManager()
  await manager.streams.add({ name: 'ORDERS', subjects: ['orders.>'], max_msg_size: 1_000 })
  bridge = await serve({ upstream: nats.url, auth: { secret: SECRET } })
  await bridge.bridge.hub.opened
  token = await rootToken()
})
afterAll(async () => {
  await bridge.close()
  await backend.close()
  await nats[Symbol.asyncDispose]()
})

async function post(path: string, body: string, more: Record<string, string> = {}) {
  const response = await fetch(`${bridge.url}/publish${path}`, {
    method: 'POST',
    body,
    headers: { Authorization: `Bearer ${token}`, ...more },
  })
  const text = await response.text()
  return [
    response.status,
    text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
  ] as const
}

it('returns the acknowledgement of the stream, and marks a duplicate', async () => {
  const first = await post('/orders.1', '{}', { 'Idempotency-Key': 'one' })
  expect(first).toEqual([200, [{ stream: 'ORDERS', seq: 1, duplicate: false }]])
  expect(await post('/orders.1', '{}', { 'Idempotency-Key': 'one' })).toEqual([
    200,
    [{ stream: 'ORDERS', seq: 1, duplicate: true }],
  ])
  expect(await post('/elsewhere', '{}')).toEqual([202, [{}]])
})

it('returns the reason when a stream stores no event', async () => {
  expect(await post('/orders.1', 'x', { 'Nats-Expected-Last-Sequence': '99' })).toMatchObject([
    412,
    [{ code: 'wrong-last-sequence' }],
  ])
  expect(await post('/orders.1', 'x'.repeat(2_000))).toMatchObject([409, [{ code: 'stream-refused' }]])
  expect(await post('/orders.1', 'x', { 'Nats-Expected-Last-Sequence': 'x' })).toMatchObject([
    400,
    [{ code: 'invalid-argument' }],
  ])
})

it('returns one result per line of a batch, in order', async () => {
  const lines = [
    { subject: 'orders.2', data: 1, id: 'two' },
    { subject: 'orders.2', data: 1, id: 'two' },
    { subject: 'orders.3', data: 1, expectLastSubjectSeq: 0 },
    { subject: 'orders.3', data: 2, expectLastSubjectSeq: 77 },
    { subject: 'live.only', data: 3 },
    { subject: 'a..b', data: 3 },
  ]
  const [status, results] = await post('', lines.map((line) => JSON.stringify(line)).join('\n'))
  expect(status).toBe(200)
  expect(results).toMatchObject([
    { ok: true, stream: 'ORDERS', duplicate: false },
    { ok: true, stream: 'ORDERS', duplicate: true },
    { ok: true, stream: 'ORDERS', duplicate: false },
    { ok: false, code: 'wrong-last-sequence' },
    { ok: true },
    { ok: false, code: 'invalid-subject' },
  ])
  expect(results[2].seq).toBe(results[0].seq + 1)
})

it('keeps a thousand lines in order', async () => {
  const lines = Array.from({ length: 1_000 }, (_, n) => JSON.stringify({ subject: 'orders.many', data: n }))
  const [, results] = await post('', lines.join('\n'))
  const seqs = results.map(({ seq }) => seq as number)
  expect(seqs).toEqual(seqs.map((_, index) => (seqs[0] as number) + index))
})

it('publishes subjects without a stream also if the bridge may not use JetStream', async () => {
  const permissions = '{ publish: ["app.>", "_INBOX.>", "$EDGE.>"], subscribe: [">"] }'
  await using server = await startNatsServer({
    jetstream: true,
    config: `authorization { users: [{ user: bridge, password: sesame, permissions: ${permissions} }] }`,
  })
  const upstream = server.url.replace('://', '://bridge:sesame@')
  await using confined = await serve({ upstream, auth: { secret: SECRET } })
  await confined.bridge.hub.opened
  // NATS does not answer the first one. The limit is the timeout of a JetStream request.
  const publish = (path: string, body: string) =>
    fetch(`${confined.url}/publish${path}`, {
      method: 'POST',
      body,
      headers: { Authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(4_500),
    })
  for (const subject of ['app.1', 'app.2']) expect((await publish(`/${subject}`, '{}')).status).toBe(202)
  expect(await (await publish('', '{"subject":"app.3","data":1}')).json()).toEqual({ ok: true })
})
