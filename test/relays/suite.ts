/** The rules for relays of every broker. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import {
  into,
  outOf,
  percent,
  type RelayAnnouncement,
  type RelayStatus,
  type Relays,
  ROLL_CALL,
  type RunningRelays,
  relay,
  writeRelayMetrics,
} from '../../bridge/relay/index.ts'
import type { BrokerKind } from '../../demo/setup/brokers/foreign-broker.ts'
import { connect, defineEvents, event } from '../../sdk/index.ts'
import { ensureStreams } from '../../sdk/streams/index.ts'
import { nats } from '../../sdk/transport/nats/index.ts'
import type { Transport } from '../../sdk/transport/transport.ts'
import { eventually } from '../support/eventually.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'
import { type PlainMessage, placeOf, startBroker, type TestBroker } from './brokers.ts'
import { chaosContract } from './chaos-contract.ts'
import { judge } from './relay-chaos.ts'
import { countStored, readStream } from './stored.ts'
import { type RelayWorker, startWorker, whenReady } from './worker-process.ts'

const order = z.object({ n: z.number(), key: z.string() })
export const events = defineEvents({
  'orders.{key}': event(order, { stream: 'ORDERS' }),
  'dead.orders': event(z.unknown(), { stream: 'DEAD' }),
})

/** The broker, the server and helpers of a test. */
export interface Bench {
  readonly kind: BrokerKind
  readonly foreign: TestBroker
  readonly server: NatsServer
  readonly transport: Transport
  /** A place of the broker that no other test uses. */
  place(): Promise<{ readonly name: string; readonly at: ReturnType<typeof placeOf> }>
  /** Runs relays until the end of the test, with another contract's streams if one is given. */
  run(relays: Relays, contract?: Parameters<typeof relay>[0]): Promise<RunningRelays & { readonly problems: string[] }>
  /** Empties the streams. */
  clear(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export async function openBench(kind: BrokerKind): Promise<Bench> {
  const [foreign, server] = await Promise.all([startBroker(kind), startNatsServer({ jetstream: true })])
  const transport = nats({ url: server.url })
  const open: RunningRelays[] = []
  let count = 0
  const clear = async () => {
    for (const running of open.splice(0)) await running.drain()
    for (const name of ['ORDERS', 'DEAD'])
      await transport.request(`$JS.API.STREAM.DELETE.${name}`, new Uint8Array(), { timeout: 5_000 })
    await ensureStreams(events, transport)
  }
  await ensureStreams(events, transport)
  return {
    kind,
    foreign,
    server,
    transport,
    clear,
    async place() {
      const name = `place${count++}`
      await foreign.prepare(name)
      return { name, at: placeOf(kind, foreign.broker.url, name) }
    },
    async run(relays, contract = events) {
      const problems: string[] = []
      const running = relay(contract, relays, { transport, onError: ({ message }) => problems.push(message) })
      open.push(running)
      await running.ready
      return Object.assign(running, { problems })
    },
    async [Symbol.asyncDispose]() {
      for (const running of open.splice(0)) await running.drain()
      await transport.close()
      await server[Symbol.asyncDispose]()
      await foreign[Symbol.asyncDispose]()
    },
  }
}

const numbered = (n: number, key = `k${n % 3}`): PlainMessage => ({
  key,
  id: `m${n}`,
  value: JSON.stringify({ n, key }),
})

export function statusOf(running: RunningRelays, name: string): RelayStatus {
  const found = running.status.find((one) => one.name === name)
  if (!found) throw new Error(`no relay ${name}`)
  return found
}

const params = ({ data }: { readonly data: unknown }) => ({ key: percent.encode((data as { key: string }).key) })

export function relaySuite(kind: BrokerKind, more?: (bench: () => Bench) => void): void {
  describe(kind, () => {
    let bench: Bench
    beforeAll(async () => {
      bench = await openBench(kind)
    }, 120_000)
    afterAll(() => bench?.[Symbol.asyncDispose]())

    it('brings messages as they are, and puts poison aside: first, in the middle, last', async () => {
      await bench.clear()
      const { name, at } = await bench.place()
      const good = Array.from({ length: 40 }, (_, n) => numbered(n))
      const poison = ['{', '{"n":"one","key":"k0"}', '{"n":1}'].map(
        (value, n): PlainMessage => ({
          key: 'k0',
          id: `p${n}`,
          headers: { 'x-shop': 'berlin' },
          value,
        }),
      )
      const [first, middle, last] = poison as [PlainMessage, PlainMessage, PlainMessage]
      await bench.foreign.send(name, [first, ...good.slice(0, 20), middle, ...good.slice(20), last])
      const running = await bench.run({
        orders: into(events, 'orders.{key}', { from: at, params, deadLetter: 'dead.orders' }),
      })
      await eventually(() => statusOf(running, 'orders').relayed === 40 && statusOf(running, 'orders').dead === 3)
      const stored = (await readStream(bench.server.url, 'ORDERS')).filter(({ subject }) =>
        subject.startsWith('orders.'),
      )
      expect(stored.map(({ text }) => text).sort()).toEqual(good.map(({ value }) => value as string).sort())
      const sent = good.map(({ value }) => JSON.parse(value as string))
      expect(
        judge(
          sent,
          stored.map(({ text }) => JSON.parse(text)),
        ),
      ).toEqual({ lost: 0, repeated: 0, inversions: 0 })
      const dead = await readStream(bench.server.url, 'DEAD')
      expect(dead.map(({ text }) => text).sort()).toEqual(poison.map(({ value }) => value as string).sort())
      for (const { headers } of dead) {
        expect(headers).toMatchObject({ 'Spanwire-Dead-Relay': 'orders', 'Spanwire-Dead-Place': at.place })
        expect(headers['Spanwire-Dead-Code']).toMatch(/^invalid-(data|params)$/)
        expect(headers['Spanwire-Dead-Error']).not.toBe('')
        expect(decodeURIComponent(headers['Spanwire-Dead-Headers'] ?? '')).toContain('berlin')
      }
    })

    it('stops at poison without a dead letter, reports it, and continues when the schema allows it', async () => {
      await bench.clear()
      const { name, at } = await bench.place()
      await bench.foreign.send(name, [
        numbered(0, 'k'),
        { key: 'k', id: 'p', value: '{"n":"2","key":"k"}' },
        numbered(1, 'k'),
      ])
      const running = await bench.run({ orders: into(events, 'orders.{key}', { from: at, params }) })
      await eventually(
        () => statusOf(running, 'orders').stoppedLanes.length === 1 && statusOf(running, 'orders').relayed === 1,
      )
      expect(running.problems.join()).toMatch(/stops at a message: .*Declare a deadLetter/)
      expect(statusOf(running, 'orders')).toMatchObject({ relayed: 1, dead: 0 })
      await running.drain()
      const lenient = defineEvents({ 'orders.{key}': event(z.unknown(), { stream: 'ORDERS' }) })
      const again = await bench.run({ orders: into(lenient, 'orders.{key}', { from: at, params }) }, lenient)
      await eventually(() => statusOf(again, 'orders').relayed >= 2, { deadline: 20_000 })
      const stored = (await readStream(bench.server.url, 'ORDERS')).filter(({ subject }) => subject === 'orders.k')
      expect(stored.map(({ text }) => JSON.parse(text).n)).toEqual([0, '2', 1])
    })

    it('copies no header that is a command for a stream', async () => {
      await bench.clear()
      const { name, at } = await bench.place()
      const bus = connect({ transport: bench.transport, events })
      await bus.publish('orders.{key}', { key: 'before' }, { n: 0, key: 'before' })
      const headers = {
        'Nats-Rollup': 'all',
        'Nats-Msg-Id': 'mine',
        'x-a': 'yes',
        traceparent: '00-ab-cd-01',
        'x-b': 'no',
      }
      await bench.foreign.send(name, [{ ...numbered(1), headers }])
      const running = await bench.run({ orders: into(events, 'orders.{key}', { from: at, params, headers: ['X-A'] }) })
      await eventually(() => statusOf(running, 'orders').relayed === 1)
      const stored = (await readStream(bench.server.url, 'ORDERS')).filter(({ subject }) =>
        subject.startsWith('orders.'),
      )
      expect(stored.map(({ subject }) => subject)).toEqual(['orders.before', 'orders.k1'])
      const { headers: copied = {} } = stored[1] ?? {}
      expect(copied).toMatchObject({ 'x-a': 'yes', traceparent: '00-ab-cd-01' })
      expect(copied['Nats-Rollup'] ?? copied['x-b']).toBeUndefined()
      expect(copied['Nats-Msg-Id']).not.toBe('mine')
    })

    it('keeps a place and an event the same in both directions, without a loop', async () => {
      await bench.clear()
      const { name, at } = await bench.place()
      const running = await bench.run({
        in: into(events, 'orders.{key}', { from: at, params }),
        out: outOf(events, 'orders.{key}', { to: at, key: (e) => e.params.key }),
      })
      const bus = connect({ transport: bench.transport, events })
      await bench.foreign.send(
        name,
        Array.from({ length: 20 }, (_, n) => numbered(n)),
      )
      for (let n = 100; n < 120; n++) await bus.publish('orders.{key}', { key: 'nats' }, { n, key: 'nats' })
      await eventually(() => statusOf(running, 'in').relayed === 20 && statusOf(running, 'out').relayed === 20)
      await eventually(() => statusOf(running, 'in').loops === 20 && statusOf(running, 'out').loops === 20)
      const stored = (await readStream(bench.server.url, 'ORDERS')).filter(({ subject }) =>
        subject.startsWith('orders.'),
      )
      expect(stored.length).toBe(40)
    })

    it('announces itself on NATS, for an inspector', async () => {
      await bench.clear()
      const { at } = await bench.place()
      const running = await bench.run({ orders: into(events, 'orders.{key}', { from: at, params }) })
      const answer = await bench.transport.request(ROLL_CALL, new Uint8Array(), { timeout: 5_000 })
      const said = JSON.parse(new TextDecoder().decode(answer.payload)) as RelayAnnouncement
      expect(said.process).toBe(running.process)
      expect(said.relays[0]).toMatchObject({ name: 'orders', state: 'running', place: at.place, stream: 'ORDERS' })
      expect(writeRelayMetrics(running.status)).toMatch(/spanwire_relay_running\{relay="orders"[^}]*\} 1\n/)
    })

    it('puts aside messages too large for NATS, at the broker', async () => {
      await bench.clear()
      const { name, at } = await bench.place()
      const dead = await bench.place()
      const large = JSON.stringify({ n: 1, key: 'k', text: 'x'.repeat(1024 * 1024) })
      await bench.foreign.send(name, [{ key: 'k', id: 'large', value: large }, numbered(2, 'k')])
      const running = await bench.run({
        orders: into(events, 'orders.{key}', { from: at, params, deadLetter: dead.at }),
      })
      await eventually(() => statusOf(running, 'orders').relayed === 1 && statusOf(running, 'orders').dead === 1)
      const [one] = await bench.foreign.receiveAll(dead.name)
      expect(one?.value === large).toBe(true)
      expect(one?.headers).toMatchObject({ 'Spanwire-Dead-Code': 'payload-too-large' })
    })

    it('puts aside an event that the schema refuses, and continues with the next events', async () => {
      await bench.clear()
      const { name, at } = await bench.place()
      await bench.transport.publish('orders.k', new TextEncoder().encode('{"n":"x"}'))
      const bus = connect({ transport: bench.transport, events })
      await bus.publish('orders.{key}', { key: 'k' }, { n: 1, key: 'k' })
      const running = await bench.run({ orders: outOf(events, 'orders.{key}', { to: at, deadLetter: 'dead.orders' }) })
      await eventually(() => statusOf(running, 'orders').relayed === 1 && statusOf(running, 'orders').dead === 1)
      expect((await readStream(bench.server.url, 'DEAD')).map(({ text }) => text)).toEqual(['{"n":"x"}'])
      expect((await bench.foreign.receiveAll(name)).map(({ value }) => value)).toEqual(['{"n":1,"key":"k"}'])
    })

    describe('in processes', () => {
      const messages = 3_000
      const sent = Array.from({ length: messages }, (_, n) => ({ n, key: `k.${n % 20}` }))
      const workers: RelayWorker[] = []
      const start = (delay: number) => {
        const { server, foreign } = bench
        const worker = startWorker({ nats: server.url, kind, broker: foreign.broker.url, delay, relays: ['in'] })
        workers.push(worker)
        return worker
      }
      const stored = () => countStored(bench.server.url, 'IN', 'in.*')
      const whenStored = (count: number, what: string) =>
        eventually(async () => (await stored()) >= count, { deadline: 60_000, interval: 100, what })
      beforeAll(async () => {
        await bench.foreign.prepare('in')
      })
      const fill = async () => {
        const contract = chaosContract(0)
        await bench.transport.request('$JS.API.STREAM.DELETE.IN', new Uint8Array(), { timeout: 5_000 })
        await ensureStreams(contract, bench.transport)
        const first = sent.map(({ n, key }) => ({ key, id: `${fill.count}-${n}`, value: JSON.stringify({ n, key }) }))
        fill.count++
        await bench.foreign.send('in', first)
      }
      fill.count = 0
      const verdict = async () => {
        const all = await readStream(bench.server.url, 'IN')
        const arrived = all.filter(({ subject }) => subject.startsWith('in.')).map(({ text }) => JSON.parse(text))
        return judge(sent, arrived)
      }
      afterAll(async () => {
        for (const worker of workers) await worker.kill()
      })

      it('SIGTERM ends one in the middle of its work, and another continues without loss', async () => {
        await fill()
        const first = start(3)
        await whenStored(200, 'the first messages')
        expect(await first.stop()).toBe(0)
        expect(first.output).toContain('drained')
        const before = await stored()
        expect(before).toBeLessThan(messages)
        const second = start(0)
        await whenStored(messages, 'all messages')
        await second.stop()
        expect(await verdict()).toEqual({ lost: 0, repeated: 0, inversions: 0 })
      }, 120_000)

      it('one of two dies, and the other takes over without loss', async () => {
        await fill()
        const pair = [start(1), start(1)]
        await Promise.all(pair.map(whenReady))
        await whenStored(200, 'the first messages')
        await pair[0]?.kill()
        await whenStored(messages, 'all messages')
        await pair[1]?.stop()
        expect(await verdict()).toEqual({ lost: 0, repeated: 0, inversions: 0 })
      }, 120_000)
    })

    more?.(() => bench)
  })
}
