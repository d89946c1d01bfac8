import { afterAll, beforeAll, expect, it } from 'vitest'
import * as z from 'zod'
import { consume } from '../../../sdk/consumer.ts'
import { connect, defineEvents } from '../../../sdk/index.ts'
import { nats } from '../../../sdk/nats.ts'
import { ensureStreams } from '../../../sdk/streams.ts'
import { type NatsServer, startNatsServer } from '../../support/nats-server.ts'

const events = defineEvents({ 'jobs.{id}': z.object({ n: z.number() }) }, { stream: 'JOBS' })
let server: NatsServer
beforeAll(async () => {
  server = await startNatsServer({ jetstream: true })
})
afterAll(() => server?.[Symbol.asyncDispose]())
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

it('a worker that is drained while it starts takes no events', async () => {
  const transport = nats({ url: server.url })
  await ensureStreams(events, transport)
  const bus = connect({ events, transport })
  const worker = consume(events, transport, 'jobs.{id}', () => {}, { consumer: 'early' })
  await worker.drain()
  await sleep(300)
  await bus.publish('jobs.{id}', { id: '1' }, { n: 1 })
  await sleep(1_000)
  // Another worker takes the event: how often was it given out before?
  const attempts: number[] = []
  const other = consume(events, transport, 'jobs.{id}', (_, { attempt }) => void attempts.push(attempt), {
    consumer: 'early',
  })
  await other.ready
  await sleep(1_500)
  await other.drain()
  await transport.close()
  expect(attempts).toEqual([1])
})

it('drain of a worker ends although NATS is away', async () => {
  const transport = nats({ url: server.url })
  await ensureStreams(events, transport)
  const bus = connect({ events, transport })
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
  const { promise: gate, resolve: release } = Promise.withResolvers<void>()
  const worker = consume(
    events,
    transport,
    'jobs.{id}',
    async () => {
      begin()
      await gate
    },
    { consumer: 'away', ackWait: 1_000, from: 'new' },
  )
  await worker.ready
  await bus.publish('jobs.{id}', { id: '2' }, { n: 2 })
  await begun
  await server.stop()
  await sleep(200)
  release()
  const drained = await Promise.race([worker.drain().then(() => 'drained'), sleep(5_000).then(() => 'hangs')])
  await transport.close()
  await server.restart()
  expect(drained).toBe('drained')
})
