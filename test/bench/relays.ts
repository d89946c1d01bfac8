/**
 * Throughput of relays into a stream, as a ratio to a plain consumer that only parses and acknowledges, in the same run:
 * `node test/bench/relays.ts [<runs>]`. Real brokers, one nats-server with a stream in a file, messages of 200 bytes.
 */
import { Consumer } from '@platformatic/kafka'
import amqp from 'amqplib'
import { z } from 'zod'
import { StompClient } from '../../bridge/relay/activemq/stomp-client.ts'
import { headerOf } from '../../bridge/relay/activemq/stomp-frame.ts'
import { into, percent, relay } from '../../bridge/relay/index.ts'
import type { BrokerKind, ForeignBroker } from '../../demo/setup/brokers/foreign-broker.ts'
import { defineEvents, event } from '../../sdk/index.ts'
import { ensureStreams } from '../../sdk/streams/index.ts'
import { nats } from '../../sdk/transport/nats/index.ts'
import { placeOf, startBroker } from '../relays/brokers.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { median } from './median.ts'

const MESSAGES: Record<string, number> = { kafka: 60_000, rabbitmq: 30_000, activemq: 20_000 }
const KEYS = 50

/** Resolves after `count` messages were parsed and acknowledged; returns a function that disconnects. */
type Plain = (broker: ForeignBroker, name: string, count: number) => Promise<() => Promise<unknown>>

const plain: Record<string, Plain> = {
  async kafka({ url }, name, count) {
    const consumer = new Consumer({
      clientId: 'plain',
      bootstrapBrokers: [url],
      groupId: `plain-${name}-${Math.random()}`,
      maxWaitTime: 500,
    })
    const stream = await consumer.consume({ topics: [name], mode: 'earliest', autocommit: 200 })
    let done = 0
    await new Promise<void>((resolve) =>
      stream.on('data', ({ value }) => {
        JSON.parse(String(value))
        if (++done === count) resolve()
      }),
    )
    return () => consumer.close(true)
  },
  async rabbitmq({ url }, name, count) {
    const connection = await amqp.connect(url)
    const channel = await connection.createChannel()
    await channel.prefetch(2_000)
    let done = 0
    await new Promise<void>((resolve) =>
      channel.consume(name, (message) => {
        if (!message) return
        JSON.parse(message.content.toString())
        channel.ack(message)
        if (++done === count) resolve()
      }),
    )
    return () => connection.close()
  },
  async activemq({ stompPort = 0 }, name, count) {
    let done = 0
    const { promise, resolve } = Promise.withResolvers<void>()
    const address = { host: '127.0.0.1', port: stompPort, tls: false, user: '', password: '', vhost: 'localhost' }
    const client = await StompClient.connect(address, 1024 * 1024, {
      message(frame) {
        JSON.parse(Buffer.from(frame.body).toString())
        client.write('ACK', [['id', headerOf(frame, 'ack') ?? '']])
        if (++done === count) resolve()
      },
      ended() {},
    })
    client.write('SUBSCRIBE', [
      ['id', '1'],
      ['destination', `/queue/${name}`],
      ['ack', 'client-individual'],
      ['activemq.prefetchSize', '2000'],
    ])
    await promise
    return () => client.disconnect()
  },
}

const events = defineEvents(
  { 'bench.{key}': event(z.object({ n: z.number(), key: z.string(), note: z.string() })) },
  { stream: 'BENCH' },
)

/** Prints a table of messages a second and ratios, medians of some runs. */
export async function benchRelays(runs: number): Promise<void> {
  const table: Record<string, Record<string, string>> = {}
  for (const kind of (process.env.BENCH_BROKER?.split(',') ?? ['kafka', 'rabbitmq', 'activemq']) as BrokerKind[])
    table[kind] = await benchBroker(kind, runs)
  console.log(`\nRelays into a stream, as a ratio to a plain consumer in the same run, median of ${runs}`)
  console.table(table)
}

async function benchBroker(kind: BrokerKind, runs: number): Promise<Record<string, string>> {
  await using foreign = await startBroker(kind)
  await using server = await startNatsServer({ jetstream: true })
  const transport = nats({ url: server.url })
  await ensureStreams(events, transport)
  const count = MESSAGES[kind] ?? 0
  const note = 'x'.repeat(160)
  const fill = async (name: string) => {
    await foreign.prepare(name)
    const messages = Array.from({ length: count }, (_, n) => {
      const key = `k${n % KEYS}`
      return { key, id: `${name}-${n}`, value: JSON.stringify({ n, key, note }) }
    })
    await foreign.send(name, messages)
  }
  const rates = { plain: [] as number[], batches: [] as number[], ids: [] as number[] }
  const measure = async (work: () => Promise<() => Promise<unknown>>) => {
    const start = performance.now()
    const end = await work()
    const rate = count / ((performance.now() - start) / 1_000)
    await end()
    return rate
  }
  for (let run = 0; run < runs; run++) {
    const shared = `shared${run}`
    // A topic can be read by all, a queue by one.
    if (kind === 'kafka') await fill(shared)
    const nameFor = async (use: string) => {
      if (kind === 'kafka') return shared
      await fill(`${use}${run}`)
      return `${use}${run}`
    }
    const first = await nameFor('plain')
    rates.plain.push(
      await measure(() => plain[kind]?.(foreign.broker, first, count) ?? Promise.reject(new Error(kind))),
    )
    for (const store of ['batches', 'ids'] as const) {
      const name = await nameFor(store)
      // The stream would drop messages that it has already.
      await transport.request('$JS.API.STREAM.DELETE.BENCH', new Uint8Array(), { timeout: 5_000 })
      await ensureStreams(events, transport)
      rates[store].push(
        await measure(async () => {
          const from = placeOf(kind, foreign.broker.url, name)
          const params = ({ data }: { readonly data: unknown }) => ({
            key: percent.encode((data as { key: string }).key),
          })
          const relays = { [`${store}${run}`]: into(events, 'bench.{key}', { from, params, store }) }
          const running = relay(events, relays, { transport, onError: console.error })
          await running.ready
          while ((running.status[0]?.relayed ?? 0) < count) await new Promise((resolve) => setTimeout(resolve, 5))
          return () => running.drain()
        }),
      )
    }
  }
  await transport.close()
  const ratio = (mine: number[]) => median(mine.map((rate, run) => rate / (rates.plain[run] ?? Number.NaN))).toFixed(2)
  const rate = (mine: number[]) => `${Math.round(median(mine)).toLocaleString('en')}/s`
  return {
    'plain consumer': rate(rates.plain),
    'atomic batches': `${ratio(rates.batches)} (${rate(rates.batches)})`,
    'message ids': `${ratio(rates.ids)} (${rate(rates.ids)})`,
  }
}

if (import.meta.main) await benchRelays(Number(process.argv[2] ?? 3))
