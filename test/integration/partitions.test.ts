import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod'
import type { BridgeServer } from '../../bridge/hosts/node.ts'
import { type ConsumeOptions, type Consumer, consume, setPartitions } from '../../sdk/consumer/index.ts'
import { type Bus, connect, defineEvents, event, type Transport, webSocket } from '../../sdk/index.ts'
import { JetStreamApi } from '../../sdk/jetstream/api.ts'
import { ensureStreams } from '../../sdk/streams/index.ts'
import { nats } from '../../sdk/transport/nats/index.ts'
import { transportLink } from '../../sdk/transport/transport-link.ts'
import { type BrokerStack, startBrokerStack, targetsOf } from '../support/broker-stack.ts'
import { eventually } from '../support/eventually.ts'
import type { NatsServer } from '../support/nats-server.ts'
import { createToken } from '../support/token.ts'

const events = defineEvents(
  {
    'jobs.{id}': z.object({ n: z.number() }),
    'of.{kind}.{id}': z.object({ n: z.number() }),
    'dead.{of}': event(z.unknown(), { stream: 'DEAD' }),
  },
  { stream: 'JOBS' },
)
type Contract = typeof events
type Options = Partial<ConsumeOptions<Contract, 'jobs.{id}'>>

let stack: BrokerStack
let server: NatsServer
let bridge: BridgeServer
beforeAll(async () => {
  stack = await startBrokerStack({ jetstream: true })
  ;({ server, bridge } = stack)
})
afterAll(() => stack?.[Symbol.asyncDispose]())

// A bridge passes the requests on, so two tests of it are enough.
const targets = targetsOf(() => stack)
const isOld = () => Number(server.version.split('.')[1]) < 11
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1)

describe.each(Object.entries(targets))('partitions on %s', (name, open) => {
  const isUnsupported = () => isOld() && name !== 'the embedded broker'
  let bus: Bus<Contract>
  let api: JetStreamApi
  const opened: Transport[] = []
  const consumers: Consumer[] = []
  /** Calls of handlers in order. */
  let handled: Array<{ readonly who: string; readonly id: string; readonly n: number }> = []
  let ends: unknown[] = []
  /** Number of the last event of each key. */
  let last = new Map<string, number>()
  const options = { consumer: 'workers', ordered: 'id', partitions: 8, concurrency: 4, ackWait: 1_500 } as const

  function dial(): Transport {
    const transport = open()
    opened.push(transport)
    return transport
  }

  /** A worker with a separate connection. */
  function work(who: string, more: Options = {}, handle: (n: number) => unknown = () => {}): Consumer {
    const consumer = consume(
      { events, connection: dial() },
      'jobs.{id}',
      async (e) => {
        handled.push({ who, id: e.params.id, n: e.data.n })
        await new Promise((resolve) => setTimeout(resolve, 1))
        await handle(e.data.n)
      },
      { ...options, onEnd: (error) => ends.push(`${who}: ${error}`), ...more },
    )
    consumers.push(consumer)
    return consumer
  }

  /** Publishes `count` events to each of 24 keys. */
  async function publish(count: number): Promise<void> {
    for (let i = 0; i < count; i++)
      for (const id of upTo(24).map(String)) {
        const n = (last.get(id) ?? 0) + 1
        last.set(id, n)
        void bus.publish('jobs.{id}', { id }, { n })
      }
    await bus.flush()
  }
  const total = () => [...last.values()].reduce((sum, count) => sum + count, 0)
  const allHandled = () =>
    eventually(() => new Set(handled.map(({ id, n }) => `${id} ${n}`)).size >= total(), { what: 'all events' })
  /** Checks the order of each key. On a busy machine `ackWait` may expire, and an event is repeated. */
  function expectOrder(): void {
    for (const [id, count] of last)
      expect([...new Set(handled.filter((one) => one.id === id).map(({ n }) => n))]).toEqual(upTo(count))
  }
  /** Keys of each worker since an index of `handled`. */
  function keysOf(since: number): Map<string, Set<string>> {
    const keys = new Map<string, Set<string>>()
    for (const { who, id } of handled.slice(since)) keys.set(who, (keys.get(who) ?? new Set()).add(id))
    return keys
  }
  /** Publishes until the keys are divided among these workers. Returns their keys. */
  async function divided(...workers: string[]): Promise<Map<string, Set<string>>> {
    let before = ''
    return eventually(async () => {
      const since = handled.length
      await publish(1)
      await allHandled()
      const keys = keysOf(since)
      const now = JSON.stringify([...keys].map(([who, own]) => [who, ...[...own].sort()]).sort())
      const isSame = now === before
      before = now
      return isSame && [...keys.keys()].sort().join() === workers.join() ? keys : undefined
    })
  }

  beforeAll(() => {
    const transport = open()
    bus = connect({ events, transport })
    api = new JetStreamApi(transportLink(transport))
  })
  beforeEach(async () => {
    handled = []
    ends = []
    last = new Map()
    await ensureStreams(events, dial())
  })
  afterEach(async () => {
    await Promise.all(consumers.splice(0).map((consumer) => consumer.drain()))
    await Promise.all(opened.splice(0).map((transport) => transport.close()))
    for (const stream of ['JOBS', 'DEAD', 'JOBS-workers']) await api.deleteStream(stream).catch(() => {})
  })
  afterAll(() => bus?.close())

  it('divides the keys among the workers in order, while they start, pause, resume and drain', async () => {
    const first = work('a')
    if (isUnsupported()) {
      await expect(first.ready).rejects.toMatchObject({ code: 'unsupported', message: expect.stringMatching(/2\.11/) })
      return expect(await api.streamState('JOBS-workers')).toBeUndefined()
    }
    await publish(3)
    await first.ready
    await divided('a')
    const second = work('b')
    await second.ready
    const before = await divided('a', 'b')
    // Half of the partitions have moved.
    expect(before.get('a')?.size).toBeGreaterThan(4)
    expect(before.get('b')?.size).toBeGreaterThan(4)

    void publish(5)
    const third = work('c')
    await third.ready
    const three = await divided('a', 'b', 'c')
    // The others keep the rest of their partitions.
    for (const id of three.get('a') ?? []) expect(before.get('a')).toContain(id)
    for (const id of three.get('b') ?? []) expect(before.get('b')).toContain(id)

    void publish(5)
    await second.pause()
    expect(second.isPaused).toBe(true)
    await divided('a', 'c')
    void publish(5)
    second.resume()
    await divided('a', 'b', 'c')
    void publish(5)
    await first.drain()
    await divided('b', 'c')
    await third.drain()
    await divided('b')
    expectOrder()
    await eventually(async () => {
      const { pending, unacknowledged } = await second.lag()
      return pending + unacknowledged === 0
    })
    expect(ends).toEqual([])
  })

  it('delivers the first events of partitions that have moved before', async () => {
    const first = work('a')
    if (isUnsupported()) return expect(first.ready).rejects.toMatchObject({ code: 'unsupported' })
    await first.ready
    for (const who of ['b', 'c']) await work(who).ready
    await publish(2)
    await allHandled()
    expectOrder()
  })

  if (name.includes('bridge')) return

  it('hands over the partitions of a lost connection', async () => {
    if (isUnsupported()) return expect(work('a').ready).rejects.toMatchObject({ code: 'unsupported' })
    const lost = work('a')
    await Promise.all([lost.ready, work('b').ready])
    await divided('a', 'b')
    const since = handled.length
    consumers.splice(0, 1)
    await opened[1]?.close()
    await publish(2)
    await allHandled()
    expect([...keysOf(since).keys()]).toEqual(['b'])
    expectOrder()
    expect(ends).toEqual([expect.stringMatching(/^a: .*closed/)])
  })

  it('keeps the order of a key over several events, and restores each event', async () => {
    const got: string[] = []
    const start = () => {
      const consumer = consume(
        { events, connection: dial() },
        ['of.{kind}.{id}', 'jobs.{id}'],
        (e) => {
          if (e.data.n < 0) throw new Error('no')
          got.push(`${e.params.id} ${e.subject} ${e.data.n} ${e.seq} ${e.headers.get('Own')}`)
        },
        { ...options, onError: () => {}, deadLetter: { subject: 'dead.x', attempts: 1 } },
      )
      consumers.push(consumer)
      return consumer
    }
    const workers = [start(), start()]
    if (isUnsupported()) return expect(workers[0]?.ready).rejects.toMatchObject({ code: 'unsupported' })
    await Promise.all(workers.map(({ ready }) => ready))
    const headers = [['Own', 'yes']] as const
    for (const n of upTo(3))
      for (const id of ['x', 'y', 'z']) {
        await bus.publish('jobs.{id}', { id }, { n: 2 * n - 1 }, { headers })
        await bus.publish('of.{kind}.{id}', { id, kind: `k${n}` }, { n: 2 * n }, { headers })
      }
    await eventually(() => got.length === 18)
    for (const [index, id] of ['x', 'y', 'z'].entries()) {
      const own = got.filter((text) => text.startsWith(id))
      expect(own).toEqual(
        upTo(6).map((n) => {
          const seq = 6 * Math.floor((n - 1) / 2) + 2 * index + (n % 2 ? 1 : 2)
          return `${id} ${n % 2 ? `jobs.${id}` : `of.k${n / 2}.${id}`} ${n} ${seq} yes`
        }),
      )
    }
    const dead = bus.subscribe('dead.{of}', {}, { from: 'all' })
    const { seq } = await bus.publish('jobs.{id}', { id: 'x' }, { n: -1 }, { headers })
    const { value } = await dead.next()
    expect(Object.fromEntries(value?.headers ?? [])).toMatchObject({
      Own: 'yes',
      'Spanwire-Dead-Subject': 'jobs.x',
      'Spanwire-Dead-Stream': 'JOBS',
      'Spanwire-Dead-Sequence': String(seq),
      'Spanwire-Dead-Consumer': 'workers',
    })
    await dead.drain()
  })

  it('changes the number of partitions without a change of order', async () => {
    const old = work('a')
    if (isUnsupported()) return expect(old.ready).rejects.toMatchObject({ code: 'unsupported' })
    await old.ready
    await publish(3)
    const early = work('c', { partitions: 5 })
    await expect(early.ready).rejects.toMatchObject({
      code: 'stream-conflict',
      message: expect.stringMatching(/has 8 partitions, not 5.*setPartitions/),
    })
    const change = (partitions: number) =>
      setPartitions({ events, connection: dial() }, 'jobs.{id}', { ...options, partitions })
    await change(5)
    await publish(3)
    let blocked: Promise<void> | undefined
    const next = work('b', { partitions: 5 }, () => blocked)
    await next.ready
    await publish(3)
    await allHandled()
    // The old process ends when all events of its partitions are done.
    await eventually(() => ends.length === 2)
    expect(ends).toEqual([
      expect.stringMatching(/^c: .*has 8 partitions, not 5/),
      expect.stringMatching(/^a: .*has 5 partitions, not 8/),
    ])
    await divided('b')
    // The same number again does nothing.
    await change(5)
    const { promise: gate, resolve: release } = Promise.withResolvers<void>()
    blocked = gate
    await publish(1)
    await eventually(() => handled.length > total() - 24)
    await change(8)
    await expect(change(9)).rejects.toMatchObject({
      message: expect.stringMatching(/events of 5 partitions are not done/),
    })
    await publish(2)
    release()
    await eventually(() => ends.length === 3)
    await work('d').ready
    await divided('d')
    expectOrder()
  })

  it('begins at the given start, and with a stream that was created again', async () => {
    await publish(1)
    const first = work('a', { from: { seq: 20 } })
    if (isUnsupported()) return expect(first.ready).rejects.toMatchObject({ code: 'unsupported' })
    await eventually(() => handled.length === 5)
    expect(handled.map(({ id }) => Number(id)).sort()).toEqual([20, 21, 22, 23, 24])
    await first.drain()
    await api.deleteStream('JOBS')
    await ensureStreams(events, dial())
    handled = []
    last = new Map()
    await publish(1)
    await work('b').ready
    await publish(2)
    await allHandled()
    expectOrder()
  })
})

describe('partitions', () => {
  it('refuse options, events and streams that have no order by key', async () => {
    const transport = nats({ url: server.url })
    const files = defineEvents({ 'files.{path...}': z.object({}) }, { stream: 'FILES' })
    const start = (more: object) => () =>
      consume({ events, connection: transport }, 'jobs.{id}', () => {}, { consumer: 'w', partitions: 4, ...more })
    const invalid = (message: RegExp) =>
      expect.objectContaining({ code: 'invalid-argument', message: expect.stringMatching(message) })
    expect(start({})).toThrow(invalid(/require ordered/))
    expect(start({ ordered: true })).toThrow(invalid(/require ordered/))
    for (const partitions of [0, 1, 129, 2.5, Number.NaN])
      expect(start({ ordered: 'id', partitions })).toThrow(invalid(/integer from 2 to 128/))
    expect(() =>
      consume({ events: files, connection: transport }, 'files.{path...}', () => {}, {
        consumer: 'w',
        ordered: 'path',
        partitions: 4,
      }),
    ).toThrow(invalid(/more than one token/))
    const set = () =>
      setPartitions({ events, connection: transport }, 'jobs.{id}', { consumer: 'w', ordered: 'id', partitions: 4 })
    await expect(set()).rejects.toMatchObject({ code: 'stream-not-found' })

    await ensureStreams(events, transport, { streams: { JOBS: { retention: 'workqueue' } } })
    const one = start({ ordered: 'id', onEnd: () => {} })()
    await expect(one.ready).rejects.toMatchObject({
      code: 'stream-conflict',
      message: expect.stringMatching(/retention/),
    })
    const api = new JetStreamApi(transportLink(transport))
    await api.deleteStream('JOBS')
    await api.deleteStream('DEAD')
    await transport.close()
  })

  it('need only the documented permissions through a bridge', async () => {
    if (isOld()) return
    const transport = nats({ url: server.url })
    await ensureStreams(events, transport)
    const bus = connect({ events, transport })
    const own = 'JOBS-w'
    const group = '$SPANWIRE.CONSUMER.JOBS.w.*'
    const pub = [
      '$JS.API.STREAM.INFO.JOBS',
      ...['INFO', 'PURGE', 'MSG.GET'].map((action) => `$JS.API.STREAM.${action}.${own}`),
      ...['INFO', 'MSG.NEXT', 'DURABLE.CREATE', 'UNPIN'].map((action) => `$JS.API.CONSUMER.${action}.${own}.*`),
      `$JS.ACK.${own}.>`,
      group,
    ]
    const claims = { pub: { allow: pub }, subscribe: { allow: ['_INBOX.>', group] } }
    const dial = async () => webSocket({ url: bridge.url, token: await createToken(claims) })
    const handled: string[] = []
    const options = { consumer: 'w', ordered: 'id', partitions: 4, ackWait: 1_500 } as const
    const edges = await Promise.all([dial(), dial()])
    const early = consume({ events, connection: edges[0] as Transport }, 'jobs.{id}', () => {}, {
      ...options,
      onEnd: () => {},
    })
    await expect(early.ready).rejects.toMatchObject({
      code: 'permission-denied',
      message: expect.stringMatching(/call setPartitions once/),
    })
    await setPartitions({ events, connection: transport }, 'jobs.{id}', options)
    const workers = edges.map((connection, index) =>
      consume({ events, connection }, 'jobs.{id}', (e) => void handled.push(`${index}${e.data.n}`), options),
    )
    await Promise.all(workers.map(({ ready }) => ready))
    await eventually(async () => {
      for (const n of upTo(8)) await bus.publish('jobs.{id}', { id: String(n) }, { n })
      return new Set(handled.map((text) => text[0])).size === 2
    })
    await Promise.all(workers.map((worker) => worker.drain()))

    const poor = webSocket({
      url: bridge.url,
      token: await createToken({ ...claims, subscribe: { allow: ['_INBOX.>'] } }),
    })
    const ends: unknown[] = []
    const refused = consume({ events, connection: poor }, 'jobs.{id}', () => {}, {
      ...options,
      onEnd: (error) => ends.push(error),
    })
    await expect(refused.ready).rejects.toMatchObject({ code: 'permission-denied' })
    expect(ends).toHaveLength(1)
    await Promise.all([...edges, poor].map((edge) => edge.close()))
    const api = new JetStreamApi(transportLink(transport))
    for (const stream of ['JOBS', 'DEAD', own]) await api.deleteStream(stream)
    await bus.close()
  })
})
