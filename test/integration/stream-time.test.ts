/** Time to live, tombstones, batches and schedules, over every way to a stream. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { type BridgeServer, serve } from '../../bridge/hosts/node.ts'
import { createTestBridge, type TestBridge } from '../../bridge/testing/index.ts'
import { consume } from '../../sdk/consumer/index.ts'
import { type Bus, connect, defineEvents, event, type Removal, type Transport, webSocket } from '../../sdk/index.ts'
import { ensureStreams } from '../../sdk/streams/index.ts'
import { http } from '../../sdk/transport/http/index.ts'
import { nats } from '../../sdk/transport/nats/index.ts'
import { eventually } from '../support/eventually.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'
import { createToken, rootToken, SECRET } from '../support/token.ts'

const n = z.object({ n: z.number() })
const events = defineEvents(
  { 'price.{symbol}': event(n, { ttl: 1_000 }), 'trade.{symbol}': n, 'note.of.{id}': n },
  { stream: 'TIME' },
)
const wide = defineEvents({ '{a}.{b}.{c}': n, '{rest...}': z.unknown() })
const options = { defaults: { atomic: true, schedules: true, rollup: true } } as const
type Events = typeof events

let server: NatsServer
let bridge: BridgeServer
let memory: TestBridge
let isOld = false
const opened: Array<{ close(): Promise<void> }> = []

beforeAll(async () => {
  server = await startNatsServer({ jetstream: true })
  isOld = Number(server.version.split('.')[1]) < 14
  bridge = await serve({ upstream: server.url, auth: { secret: SECRET } })
  memory = createTestBridge()
  await memory.ensureStreams(events)
  if (!isOld) {
    const transport = nats({ url: server.url })
    opened.push(transport)
    await ensureStreams(events, transport, options)
  }
})
afterAll(async () => {
  for (const one of opened) await one.close()
  await memory?.close()
  await bridge?.close()
  await server?.[Symbol.asyncDispose]()
})

/** Opens a bus. It is closed after all tests. */
function busOver<Contract extends Parameters<typeof defineEvents>[0]>(transport: Transport, contract: Contract) {
  const bus = connect({ transport, events: contract, onGap: undefined, onInvalid() {} })
  opened.push(bus)
  return bus
}

const ways: Record<string, () => Promise<Transport>> = {
  'nats://': async () => nats({ url: server.url }),
  'a bridge': async () => webSocket({ url: bridge.url, token: await rootToken() }),
  'the embedded broker': async () => memory.transport({ network: memory.network() }),
}

describe.each(Object.entries(ways))('over %s', (way, open) => {
  let bus: Bus<Events>
  let transport: Transport
  let count = 0
  /** Not used before. */
  const fresh = () => `${way.replace(/\W/g, '')}${++count}`

  beforeEach(({ skip }) => skip(isOld && way !== 'the embedded broker', 'needs nats-server 2.14'))
  beforeAll(async () => {
    transport = await open()
    bus = busOver(transport, events)
  })

  it('events expire after a time to live, and followers get a removal', async () => {
    const [own, other, kept] = [fresh(), fresh(), fresh()]
    const prices = bus.latest('price.{symbol}')
    const removals: Array<Removal['params']> = []
    prices.subscribe(
      () => {},
      ({ params }) => removals.push(params),
    )
    await bus.publish('price.{symbol}', { symbol: own }, { n: 1 })
    const trades = bus.latest('trade.{symbol}', { symbol: other })
    await bus.publish('trade.{symbol}', { symbol: other }, { n: 2 }, { ttl: 1_900 })
    await bus.publish('price.{symbol}', { symbol: kept }, { n: 3 }, { ttl: 60_000 })
    await eventually(() => prices.get({ symbol: own }) && prices.get({ symbol: kept }) && trades.values().size === 1)
    await eventually(() => removals.some(({ symbol }) => symbol === own))
    await eventually(() => trades.values().size === 0)
    expect(prices.get({ symbol: own })).toBeUndefined()
    expect(prices.get({ symbol: kept })?.data).toEqual({ n: 3 })
    await expect(bus.publish('price.{symbol}', { symbol: own }, { n: 1 }, { ttl: 10 })).rejects.toMatchObject({
      code: 'invalid-argument',
      message: 'ttl is 10. It must be at least 1000 ms: NATS counts seconds.',
    })
  })

  it('a tombstone removes the value of a subject, for late readers as well', async () => {
    const symbol = fresh()
    const before = bus.latest('trade.{symbol}', { symbol })
    const removed: unknown[] = []
    bus.on('trade.{symbol}', { symbol }, () => {}, { onRemoved: (removal) => removed.push(removal.removed) })
    for (const n of [1, 2]) await bus.publish('trade.{symbol}', { symbol }, { n })
    await eventually(() => before.get({ symbol })?.data.n === 2)
    const { seq } = await bus.forget('trade.{symbol}', { symbol })
    await eventually(() => before.values().size === 0 && removed.length === 1)
    const late = bus.latest('trade.{symbol}', { symbol })
    await late.ready
    expect(late.values().size).toBe(0)
    const history: unknown[] = []
    const all = bus.on('trade.{symbol}', { symbol }, ({ data }) => history.push(data.n), { from: 'all' })
    await all.live
    expect(history).toEqual([1, 2])
    await bus.forget('trade.{symbol}', { symbol }, { purge: true, expectLastSubjectSeq: seq })
    const purged: unknown[] = []
    await bus.on('trade.{symbol}', { symbol }, ({ data }) => purged.push(data.n), { from: 'all' }).live
    expect(purged).toEqual([])
    await eventually(() => removed.length === 2)
    expect(removed).toEqual(['DEL', 'PURGE'])
    await expect(bus.forget('trade.{symbol}', { symbol }, { expectLastSubjectSeq: 1 })).rejects.toMatchObject({
      code: 'wrong-last-sequence',
    })
    await bus.publish('trade.{symbol}', { symbol }, { n: 3 })
    await eventually(() => before.get({ symbol })?.data.n === 3)
  })

  it('a batch is stored whole or not, and the error names the event', async () => {
    const [a, b] = [fresh(), fresh()]
    const trade = (symbol: string, value: number, more: object = {}) =>
      ({ name: 'trade.{symbol}', params: { symbol }, data: { n: value }, ...more }) as const
    const stored: Array<readonly [string, number]> = []
    const handle = bus.on('trade.{symbol}', ({ params, data }) => {
      if ([a, b].includes(params.symbol)) stored.push([params.symbol, data.n])
    })
    await handle.ready
    const first = await bus.publishAll([trade(a, 1, { ttl: 60_000 }), trade(b, 2, { id: `${a}-id` })])
    expect(first).toEqual({ stream: 'TIME', seq: expect.any(Number), count: 2 })
    const refused = async (batch: Parameters<typeof bus.publishAll>[0], more?: Parameters<typeof bus.publishAll>[1]) =>
      bus.publishAll(batch, more).then(
        () => 'stored',
        (error) => [error.code, error.cause?.index, error.cause?.name],
      )
    const isOf = (code: string, index: number) => [code, index, 'trade.{symbol}']
    const seq = first.seq - 1
    expect(await refused([trade(a, 3), trade(b, 'x' as never)])).toEqual(isOf('invalid-data', 1))
    expect(await refused([trade(a, 3), trade('a b', 3)])).toEqual(isOf('invalid-params', 1))
    expect(
      await refused([trade(a, 3, { expectLastSubjectSeq: seq }), trade(b, 3, { expectLastSubjectSeq: 1 })]),
    ).toEqual(isOf('wrong-last-sequence', 1))
    // Both differ from the sequence that the stream reports.
    const wrong = { expectLastSubjectSeq: 1 }
    expect(await refused([trade(a, 3, wrong), trade(b, 3, wrong)])).toEqual(isOf('wrong-last-sequence', 0))
    expect(await refused([trade(a, 3), trade(b, 3, { id: `${a}-id` })])).toEqual(isOf('stream-refused', 1))
    expect(await refused([trade(a, 3), trade(a, 4, wrong)])).toEqual(isOf('invalid-argument', 1))
    expect(await refused([trade(a, 3), trade(b, 4)], { expectLastSeq: 1 })).toEqual(isOf('wrong-last-sequence', 0))
    expect(await refused([trade(a, 3), trade(b, 4, { ttl: 5 })])).toEqual(isOf('invalid-argument', 1))
    await expect(bus.publishAll([])).rejects.toMatchObject({ code: 'invalid-argument' })
    await bus.publishAll([trade(a, 5, { expectLastSubjectSeq: seq }), trade(b, 6, { expectLastSubjectSeq: first.seq })])
    await eventually(() => stored.length === 4)
    expect(stored).toEqual([
      [a, 1],
      [b, 2],
      [a, 5],
      [b, 6],
    ])
    handle.unsubscribe()
  })

  it('a batch has up to 1,000 events, and they are next to each other', async () => {
    const id = fresh()
    const batch = (size: number) =>
      Array.from({ length: size }, (_, index) => ({
        name: 'note.of.{id}' as const,
        params: { id },
        data: { n: index },
      }))
    const { seq, count } = await bus.publishAll(batch(1_000))
    expect(count).toBe(1_000)
    const read: number[] = []
    const handle = bus.on('note.of.{id}', { id }, (received) => read.push(received.seq), { from: { seq: seq - 999 } })
    await eventually(() => read.length === 1_000)
    expect([read[0], read.at(-1)]).toEqual([seq - 999, seq])
    handle.unsubscribe()
    await expect(bus.publishAll(batch(1_001))).rejects.toMatchObject({ code: 'invalid-argument' })
  })

  it('publishes later and repeatedly, with id and trace, until it is cancelled', async () => {
    const [once, often, never, past, replaced] = [fresh(), fresh(), fresh(), fresh(), fresh()]
    const received: Array<readonly [symbol: string, id: string, time: number, trace: string | undefined]> = []
    const others: string[] = []
    const raw = busOver(transport, wide)
    await raw.on('{a}.{b}.{c}', ({ subject }) => others.push(subject)).ready
    await raw.on('{rest...}', ({ subject }) => others.push(subject)).ready
    const handle = bus.on('trade.{symbol}', ({ params, id, time, headers }) => {
      received.push([params.symbol, id, time, headers.get('traceparent')])
    })
    await handle.ready
    const consumed: string[] = []
    await using _consumer = consume(
      { events, connection: transport },
      'trade.{symbol}',
      ({ params }) => void consumed.push(params.symbol),
      { consumer: `c${once}`, from: 'new' },
    )
    const of = (symbol: string) => received.filter(([one]) => one === symbol)
    const at = Date.now() + 400
    const schedule = await bus.publish(
      'trade.{symbol}',
      { symbol: once },
      { n: 1 },
      { at, id: `${once}.id`, headers: [['traceparent', '00-a']] },
    )
    expect(schedule).toMatchObject({ id: `${once}.id`, stream: 'TIME', duplicate: false, seq: expect.any(Number) })
    const repeated = await bus.publish('trade.{symbol}', { symbol: often }, { n: 1 }, { every: 1_000, ttl: 60_000 })
    const cancelled = await bus.publish('trade.{symbol}', { symbol: never }, { n: 1 }, { at: at + 400 })
    // As another process does, which knows the id only.
    const another = busOver(await open(), events)
    await another.cancelSchedule('trade.{symbol}', cancelled.id)
    await bus.publish('trade.{symbol}', { symbol: past }, { n: 1 }, { at: new Date(0) })
    await bus.publish('trade.{symbol}', { symbol: never }, { n: 1 }, { at: at + 300, id: replaced })
    await bus.publish('trade.{symbol}', { symbol: replaced }, { n: 1 }, { at: at + 300, id: replaced })
    await eventually(() => of(once).length === 1 && of(past).length === 1 && of(replaced).length === 1)
    expect(of(once)).toEqual([[once, `${once}.id`, at, '00-a']])
    await eventually(() => of(often).length >= 2)
    const ids = of(often).map(([, id]) => id)
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids[0]).toMatch(/^TIME\.\d+$/)
    await repeated.cancel()
    await eventually(() => consumed.length === received.length)
    expect(of(never)).toEqual([])
    expect(others.filter((subject) => subject.startsWith('$SCHEDULE'))).toEqual([])
    // A later event shows that nothing more of the schedules comes.
    await bus.publish('trade.{symbol}', { symbol: once }, { n: 2 }, { at: Date.now() + 1_100 })
    await eventually(() => of(once).length === 2)
    expect(of(often).length).toBeLessThanOrEqual(ids.length + 1)
    handle.unsubscribe()
    for (const every of ['* * * * *', 'daily', 10, { cron: '61 * * * * *' }, { cron: '@daily', timeZone: 'Mars/X' }])
      await expect(bus.publish('trade.{symbol}', { symbol: never }, { n: 1 }, { every })).rejects.toMatchObject({
        code: expect.stringMatching(/^(invalid-argument|stream-refused)$/),
      })
    for (const [more, text] of [
      [{ at: Number.NaN }, 'at is NaN'],
      [{ at, id: 'a b' }, '"a b" is not a valid id of a schedule'],
    ] as const)
      await expect(bus.publish('trade.{symbol}', { symbol: never }, { n: 1 }, more)).rejects.toMatchObject({
        code: 'invalid-argument',
        message: expect.stringContaining(text),
      })
    await expect(
      another.publish('trade.{symbol}', { symbol: never }, { n: 'x' as never }, { at }),
    ).rejects.toMatchObject({ code: 'invalid-data' })
  }, 20_000)

  it('refuses operations that need a stream, or one stream', async () => {
    const mixed = defineEvents({
      'trade.{symbol}': event(n, { stream: 'TIME' }),
      'b.c': event(n, { stream: 'B' }),
      'p.q': n,
    })
    const other = busOver(transport, mixed)
    const one = { name: 'trade.{symbol}', params: { symbol: 'x' }, data: { n: 1 } } as const
    await expect(other.publishAll([one, { name: 'b.c', data: { n: 1 } }])).rejects.toMatchObject({
      code: 'invalid-argument',
      message: 'The events of a batch belong to one stream: b.c has the stream B, trade.{symbol} has TIME.',
    })
    await expect(other.publishAll([one, { name: 'p.q', data: { n: 1 } } as never])).rejects.toMatchObject({
      code: 'invalid-argument',
    })
    const unsupported = { code: 'unsupported' }
    for (const more of [{ ttl: 5_000 }, { at: Date.now() }, { every: 5_000 }])
      await expect(other.publish('p.q', { n: 1 }, more as never)).rejects.toMatchObject(unsupported)
    await expect(other.forget('p.q' as never)).rejects.toMatchObject(unsupported)
    await expect(other.cancelSchedule('p.q' as never, 'x')).rejects.toMatchObject(unsupported)
  })
})

it('HTTP publishes all of these in order', async ({ skip }) => {
  skip(isOld, 'needs nats-server 2.14')
  const reader = busOver(nats({ url: server.url }), events)
  const prices = reader.latest('note.of.{id}')
  const bus = busOver(http({ url: bridge.url, token: await rootToken() }), events)
  const note = (id: string, value: number) => ({ name: 'note.of.{id}', params: { id }, data: { n: value } }) as const
  const { seq, count } = await bus.publishAll([note('h1', 1), note('h2', 2), note('h3', 3)])
  expect([count, seq > 0]).toEqual([3, true])
  await bus.publish('note.of.{id}', { id: 'h4' }, { n: 4 }, { at: Date.now(), ttl: 60_000 })
  await eventually(() => ['h1', 'h2', 'h3', 'h4'].every((id) => prices.get({ id })))
  await bus.forget('note.of.{id}', { id: 'h1' })
  await eventually(() => !prices.get({ id: 'h1' }))
})

describe('permissions of a bridge', () => {
  const grant = (pub: string[]) =>
    createToken({ sub: `user${pub.length}`, pub: { allow: pub }, subscribe: { allow: ['>'] } })

  it('a schedule needs permission for its target', async ({ skip }) => {
    skip(isOld, 'needs nats-server 2.14')
    const own = ['$SCHEDULE.TIME.ada.>', 'trade.ada']
    const bus = busOver(webSocket({ url: bridge.url, token: await grant(own) }), events)
    const publish = (symbol: string, id: string) =>
      bus.publish('trade.{symbol}', { symbol }, { n: 1 }, { at: Date.now(), id })
    await publish('ada', 'ada.1')
    await expect(publish('bob', 'ada.2')).rejects.toMatchObject({
      code: 'permission-denied',
      message: expect.stringContaining('with Nats-Schedule-Target'),
    })
    await expect(publish('ada', 'bob.1')).rejects.toMatchObject({ code: 'permission-denied' })
    await expect(bus.cancelSchedule('trade.{symbol}', 'bob.1')).rejects.toMatchObject({ code: 'permission-denied' })
    await bus.cancelSchedule('trade.{symbol}', 'ada.1')
  })

  it('each event of a batch needs permission, and nothing is stored without', async ({ skip }) => {
    skip(isOld, 'needs nats-server 2.14')
    const reader = busOver(nats({ url: server.url }), events)
    const trades = reader.latest('trade.{symbol}')
    await trades.ready
    const bus = busOver(webSocket({ url: bridge.url, token: await grant(['trade.b1', 'trade.b3', 'none']) }), events)
    const trade = (symbol: string) => ({ name: 'trade.{symbol}', params: { symbol }, data: { n: 1 } }) as const
    for (const [names, index] of [
      [['b1', 'b2', 'b3'], 1],
      [['b2', 'b1'], 0],
      [['b1', 'b2'], 1],
    ] as const)
      await expect(bus.publishAll(names.map(trade))).rejects.toMatchObject({
        code: 'permission-denied',
        cause: { index, subject: 'trade.b2' },
      })
    await bus.publishAll([trade('b3')])
    await eventually(() => trades.get({ symbol: 'b3' }))
    expect([trades.get({ symbol: 'b1' }), trades.get({ symbol: 'b2' })]).toEqual([undefined, undefined])
  })
})

describe('an older server', () => {
  const refused = (code: string, text: string) => ({ code, message: expect.stringContaining(text) })

  it('is refused with the version that each feature needs', async ({ skip }) => {
    skip(!isOld || Number(server.version.split('.')[1]) >= 11, 'needs a nats-server before 2.11')
    const plain = defineEvents({ 'old.{id}': n }, { stream: 'OLD' })
    const transport = nats({ url: server.url })
    const direct = busOver(transport, plain)
    await expect(ensureStreams(plain, transport, { defaults: { ttl: true } })).rejects.toMatchObject(
      refused('unsupported', 'allow_msg_ttl requires nats-server 2.11'),
    )
    await expect(ensureStreams(plain, transport, { defaults: { atomic: true } })).rejects.toMatchObject(
      refused('unsupported', 'allow_atomic requires nats-server 2.12'),
    )
    await ensureStreams(plain, transport)
    // Not changed.
    await expect(ensureStreams(plain, transport, { defaults: { schedules: true } })).rejects.toMatchObject(
      refused('unsupported', 'allow_msg_schedules requires nats-server 2.12'),
    )
    expect(await ensureStreams(plain, transport)).toEqual([{ stream: 'OLD', did: 'unchanged', changes: [] }])
    const latest = direct.latest('old.{id}')
    const socket = busOver(webSocket({ url: bridge.url, token: await rootToken() }), plain)
    for (const [bus, code] of [
      [direct, 'unsupported'],
      [socket, 'permission-denied'],
    ] as const) {
      const publish = (more: object) => bus.publish('old.{id}', { id: '1' }, { n: 1 }, more as never)
      await expect(publish({ ttl: 5_000 })).rejects.toMatchObject(refused(code, 'nats-server 2.11'))
      await expect(publish({ at: Date.now() })).rejects.toMatchObject(refused(code, 'nats-server 2.12'))
      await expect(publish({ every: 5_000 })).rejects.toMatchObject(
        refused(code, bus === direct ? 'nats-server 2.14' : 'nats-server 2.12'),
      )
      await expect(bus.publishAll([{ name: 'old.{id}', params: { id: '1' }, data: { n: 1 } }])).rejects.toMatchObject(
        refused(code, 'nats-server 2.12'),
      )
    }
    await direct.publish('old.{id}', { id: '2' }, { n: 2 })
    await socket.forget('old.{id}', { id: '2' })
    await latest.ready
    await eventually(() => latest.values().size === 0)
  })
})
