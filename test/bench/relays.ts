/**
 * Throughput of relays into a stream, as a ratio to a plain consumer that only parses and acknowledges, in the same run:
 * `node test/bench/relays.ts [<runs>]`. Real brokers, one nats-server with a stream in a file, messages of 200 bytes.
 * `BENCH_BROKER=kafka,rabbitmq` and `BENCH_WAYS=plain,batches` select.
 */
import process from 'node:process'
import { z } from 'zod'
import { into, percent, relay } from '../../bridge/relay/index.ts'
import type { BrokerKind } from '../../demo/setup/brokers/foreign-broker.ts'
import { defineEvents, event } from '../../sdk/index.ts'
import { ensureStreams } from '../../sdk/streams/index.ts'
import { nats } from '../../sdk/transport/nats/index.ts'
import { placeOf, startBroker } from '../relays/brokers.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { median } from './median.ts'
import { runLoop } from './relay-loops.ts'

const MESSAGES: Record<string, number> = { kafka: 60_000, rabbitmq: 30_000, activemq: 20_000 }
const KEYS = 50

/** Ways to consume a topic or queue, in the order in which each run tries them. */
const WAYS = {
  plain: 'plain consumer',
  'bare-batches': 'bare loop, batches',
  batches: 'relay, batches',
  'bare-ids': 'bare loop, ids',
  ids: 'relay, ids',
} as const
type Way = keyof typeof WAYS

/** Speed of one way in one run. */
interface Speed {
  /** Messages a second. */
  readonly rate: number
  /** CPU time of this process, in microseconds a message. Other processes of the machine hardly change it. */
  readonly cost: number
}

const events = defineEvents(
  { 'bench.{key}': event(z.object({ n: z.number(), key: z.string(), note: z.string() })) },
  { stream: 'BENCH' },
)

/** Prints a table of messages a second and ratios, medians of some runs. */
export async function benchRelays(runs: number): Promise<void> {
  const kinds = (process.env.BENCH_BROKER?.split(',') ?? ['kafka', 'rabbitmq', 'activemq']) as BrokerKind[]
  const ways = (process.env.BENCH_WAYS?.split(',') ?? Object.keys(WAYS)) as Way[]
  const table: Record<string, Record<string, string>> = {}
  for (const kind of kinds) {
    const row = describe(await benchBroker(kind, ways, runs))
    console.log(kind, row)
    table[kind] = row
  }
  console.log(
    `\nRelays into a stream: ratio to a plain consumer in the same run (CPU time a message), median of ${runs}`,
  )
  console.table(table)
}

async function benchBroker(kind: BrokerKind, ways: readonly Way[], runs: number): Promise<Map<Way, Speed[]>> {
  await using foreign = await startBroker(kind)
  await using server = await startNatsServer({ jetstream: true })
  const transport = nats({ url: server.url })
  const { broker } = foreign
  const count = MESSAGES[kind] ?? 0
  const fill = async (name: string) => {
    await foreign.prepare(name)
    const messages = Array.from({ length: count }, (_, n) => {
      const key = `k${n % KEYS}`
      return { key, id: `${name}-${n}`, value: JSON.stringify({ n, key, note: 'x'.repeat(160) }) }
    })
    await foreign.send(name, messages)
  }
  /** Resolves after all messages of a place are in the stream. */
  const runRelay = async (name: string, id: string, store: 'batches' | 'ids') => {
    const from = placeOf(kind, broker.url, name)
    const params = ({ data }: { readonly data: unknown }) => ({ key: percent.encode((data as { key: string }).key) })
    const relays = { [id]: into(events, 'bench.{key}', { from, params, store }) }
    const running = relay(events, relays, { transport, onError: console.error })
    await running.ready
    while ((running.status[0]?.relayed ?? 0) < count) await new Promise((resolve) => setTimeout(resolve, 5))
    return () => running.drain()
  }
  const speeds = new Map<Way, Speed[]>(ways.map((way) => [way, []]))
  for (let run = 0; run < runs; run++) {
    // A topic can be read several times, a queue once.
    if (kind === 'kafka') await fill(`shared${run}`)
    for (const way of ways) {
      const name = kind === 'kafka' ? `shared${run}` : `${way}${run}`
      if (kind !== 'kafka') await fill(name)
      // The stream would drop messages that it has already.
      await transport.request('$JS.API.STREAM.DELETE.BENCH', new Uint8Array(), { timeout: 5_000 })
      await ensureStreams(events, transport)
      if (way !== 'plain') await allowBatches()
      const loop = { broker, nats: server.url, name, count }
      const start = { time: performance.now(), cpu: process.cpuUsage() }
      const end = await {
        plain: () => runLoop({ ...loop, store: 'none' }),
        'bare-batches': () => runLoop({ ...loop, store: 'batches' }),
        'bare-ids': () => runLoop({ ...loop, store: 'ids' }),
        batches: () => runRelay(name, `batches${run}`, 'batches'),
        ids: () => runRelay(name, `ids${run}`, 'ids'),
      }[way]()
      const { user, system } = process.cpuUsage(start.cpu)
      const rate = count / ((performance.now() - start.time) / 1_000)
      speeds.get(way)?.push({ rate, cost: (user + system) / count })
      await end()
    }
  }
  await transport.close()
  return speeds

  async function allowBatches(): Promise<void> {
    const config = { name: 'BENCH', subjects: ['bench.*', '$SPANWIRE.RELAY.*.*'], allow_atomic: true }
    const payload = new TextEncoder().encode(JSON.stringify(config))
    await transport.request('$JS.API.STREAM.UPDATE.BENCH', payload, { timeout: 5_000 })
  }
}

function describe(speeds: ReadonlyMap<Way, readonly Speed[]>): Record<string, string> {
  const plain = speeds.get('plain') ?? []
  const row: Record<string, string> = {}
  for (const [way, own] of speeds) {
    const rate = `${Math.round(median(own.map((one) => one.rate))).toLocaleString('en')}/s`
    const ratio = median(own.map((one, run) => one.rate / (plain[run]?.rate ?? Number.NaN))).toFixed(2)
    const cost = `${median(own.map((one) => one.cost)).toFixed(0)} µs`
    row[WAYS[way]] = way === 'plain' ? `${rate}, ${cost}` : `${ratio} (${rate}, ${cost})`
  }
  return row
}

if (import.meta.main) await benchRelays(Number(process.argv[2] ?? 3))
