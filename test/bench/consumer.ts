/**
 * Costs of a work queue per event: `node test/bench/consumer.ts`. Compares `consume` with `consume` of the NATS client.
 * Both fetch 100 messages at a time and acknowledge each, on one real nats-server with a stream in memory. Figures are
 * medians of five interleaved runs.
 */
import { connect as dial } from 'nats'
import { z } from 'zod'
import { consume } from '../../sdk/consumer/index.ts'
import { defineEvents, type StandardSchema } from '../../sdk/index.ts'
import { ensureStreams } from '../../sdk/streams/index.ts'
import { nats } from '../../sdk/transport/nats/index.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { median } from './median.ts'

const EVENTS = 20_000
const AT_A_TIME = 100
const RUNS = 5

const anything: StandardSchema<{ n: number }> = {
  '~standard': { version: 1, vendor: 'none', validate: (value) => ({ value: value as { n: number } }) },
}
const contract = (schema: StandardSchema<{ n: number }>) => defineEvents({ 'jobs.{id}': schema }, { stream: 'JOBS' })

await using server = await startNatsServer({ jetstream: true })
const admin = await dial({ servers: server.url })
const manager = await admin.jetstreamManager()
const transport = nats({ url: server.url })
await ensureStreams(contract(anything), transport, { defaults: { storage: 'memory' } })
const payload = JSON.stringify({ n: 1, note: 'x'.repeat(180) })
for (let i = 0; i < EVENTS; i++) admin.publish(`jobs.${i % 100}`, payload)
await admin.flush()

let run = 0
/** Runs until every event was handled. Returns the duration in ms. */
async function measure(begin: (name: string, handled: () => void) => Promise<() => Promise<unknown>>): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<void>()
  let count = 0
  const start = performance.now()
  const name = `c${++run}`
  const end = await begin(name, () => {
    if (++count === EVENTS) resolve()
  })
  await promise
  const time = performance.now() - start
  await end()
  const { num_ack_pending: open } = await manager.consumers.info('JOBS', name)
  if (count !== EVENTS || open > 0) throw new Error(`${count} handled, ${open} not acknowledged`)
  await manager.consumers.delete('JOBS', name)
  return time
}

const spanwire = (schema: StandardSchema<{ n: number }>, ordered?: 'id') => () =>
  measure(async (name, handled) => {
    const worker = consume({ events: contract(schema), connection: transport }, 'jobs.{id}', handled, {
      consumer: name,
      concurrency: AT_A_TIME,
      ...(ordered && { ordered }),
    })
    return () => worker.drain()
  })
const kinds: Record<string, () => Promise<number>> = {
  "NATS's own client, and JSON.parse": () =>
    measure(async (name, handled) => {
      await manager.consumers.add('JOBS', { durable_name: name, ack_policy: 'explicit' as never })
      const consumer = await admin.jetstream().consumers.get('JOBS', name)
      const messages = await consumer.consume({ max_messages: AT_A_TIME })
      void (async () => {
        for await (const message of messages) {
          message.json()
          handled()
          message.ack()
        }
      })()
      return async () => {
        await messages.close()
        await admin.flush()
      }
    }),
  'Spanwire, no validation': spanwire(anything),
  'Spanwire, zod': spanwire(z.object({ n: z.number(), note: z.string() })),
  "Spanwire, ordered: 'id', 100 of them": spanwire(anything, 'id'),
}
const times: Record<string, number[]> = {}
for (let i = 0; i <= RUNS; i++)
  for (const [kind, take] of Object.entries(kinds)) {
    const time = await take()
    // The first run warms up the compiler.
    if (i > 0) times[kind] = [...(times[kind] ?? []), time]
  }
const base = median(Object.values(times)[0] ?? [])
console.table(
  Object.fromEntries(
    Object.entries(times).map(([kind, all]) => [
      kind,
      { 'µs per event': +((median(all) * 1_000) / EVENTS).toFixed(1), ratio: +(median(all) / base).toFixed(2) },
    ]),
  ),
)
await transport.close()
await admin.close()
