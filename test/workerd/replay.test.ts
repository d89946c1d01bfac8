import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { connect, defineEvents, event } from '../../sdk/index.ts'
import { ensureStreams } from '../../sdk/streams/index.ts'
import { webSocket } from '../../sdk/transport/websocket/websocket.ts'
import { eventually } from '../support/eventually.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'
import { SseReader } from '../support/sse-reader.ts'
import { rootToken, SECRET } from '../support/token.ts'
import { type RunningWorker, startWorker } from '../support/workerd.ts'

const HUB = 'hub-1'
const events = defineEvents({ 'orders.{id}': event(z.object({ n: z.number() }), { stream: 'ORDERS' }) })

let nats: NatsServer
let worker: RunningWorker

beforeAll(async () => {
  nats = await startNatsServer({ jetstream: true })
  worker = await startWorker({ secret: SECRET, upstream: nats.url, main: 'test/workerd/evictable.ts' })
}, 60_000)
afterAll(async () => {
  await worker?.stop()
  await nats?.[Symbol.asyncDispose]()
})

it('a stream subscriber loses and repeats no event over repeated evictions of its hub', async () => {
  const token = await rootToken()
  const transport = webSocket({ url: worker.url, token })
  await ensureStreams(events, transport)
  const bus = connect({ transport, events })
  const seqs: number[] = []
  const gaps: unknown[] = []
  const handle = bus.on('orders.{id}', (e) => seqs.push(e.seq ?? 0), { from: 'all', onGap: (gap) => gaps.push(gap) })
  await handle.live
  let published = 0
  const publish = async (count: number) => {
    for (let i = 0; i < count; i++) await bus.publish('orders.{id}', { id: `${i}` }, { n: ++published })
  }
  await publish(5)
  for (let round = 0; round < 3; round++) {
    await eventually(() => seqs.length === published)
    await fetch(`${worker.url}/test/${HUB}/let-go`, { method: 'POST' })
    await worker.evict(HUB)
    await publish(5)
  }
  await eventually(() => seqs.length >= published, { deadline: 30_000 })
  expect(seqs).toEqual(Array.from({ length: 20 }, (_, index) => index + 1))
  expect(gaps).toEqual([])
  await bus.close()
}, 90_000)

it('GET /events replays through the stateless Worker', async () => {
  const reader = new SseReader(
    await fetch(`${worker.url}/events?subject=orders.*&from=s11`, {
      headers: { Authorization: `Bearer ${await rootToken()}` },
    }),
  )
  const seqs: number[] = []
  while (seqs.length < 10) {
    const { event, data } = await reader.next()
    if (event === 'message') seqs.push(JSON.parse(data).seq)
  }
  await reader.cancel()
  expect(seqs).toEqual([11, 12, 13, 14, 15, 16, 17, 18, 19, 20])
}, 60_000)
