/** `spanwire/testing`, as in the tests of an application. */
import { describe, expect, it, vi } from 'vitest'
import { createTestBridge } from '../../../../bridge/testing/index.ts'
import { connect } from '../../../../sdk/connect.ts'
import { type Bus, defineEvents, event, type Gap, type StandardSchema } from '../../../../sdk/index.ts'
import { http } from '../../../../sdk/transport/http/index.ts'
import { eventually } from '../../../support/eventually.ts'

const schema = <Data>(): StandardSchema<Data> => ({
  '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value: value as Data }) },
})
const events = defineEvents({
  'chat.{room}': schema<{ text: string }>(),
  'orders.{id}': event(schema<{ n: number }>(), { stream: 'ORDERS' }),
})
type TestBus = Bus<typeof events>

const say = (bus: TestBus, text: string) => bus.publish('chat.{room}', { room: 'a' }, { text })
const collect = async (bus: TestBus) => {
  const received: string[] = []
  await bus.on('chat.{room}', ({ data }) => received.push(data.text)).ready
  return received
}
const follow = (bus: TestBus) => {
  const seen: number[] = []
  const gaps: Gap[] = []
  bus.on('orders.{id}', ({ data }) => seen.push(data.n), { from: 'all', onGap: (gap) => gaps.push(gap) })
  return { seen, gaps }
}

describe('real time', () => {
  it('delivers events, requests and streams, and settles', async () => {
    await using bridge = createTestBridge()
    const [ada, bob] = [bridge.connect({ events }), bridge.connect({ events })]
    const received = await collect(bob)
    await say(ada, 'hello')
    await bridge.settle()
    expect(received).toEqual(['hello'])
    await bridge.ensureStreams(events)
    for (const n of [1, 2, 3]) await ada.publish('orders.{id}', { id: 'x' }, { n })
    const { seen } = follow(bob)
    await bridge.settle()
    expect(seen).toEqual([1, 2, 3])
    await ada.close()
    await bob.close()
    await bridge.settle()
    expect(bridge.stats).toMatchObject({ connections: 0, subscriptions: 0, upstreamSubscriptions: 0 })
  })

  it('applies the permissions of tokens', async () => {
    await using bridge = createTestBridge()
    const ada = bridge.connect({ events, as: { user: 'ada', publish: ['chat.{room}'], subscribe: [] } })
    await expect(ada.publish('orders.{id}', { id: 'x' }, { n: 1 })).rejects.toMatchObject({ code: 'permission-denied' })
    await say(ada, 'allowed')
    await expect(ada.on('chat.{room}', () => {}).ready).rejects.toMatchObject({ code: 'permission-denied' })
  })

  it('accepts tokens for its own auth', async () => {
    const secret = 'a secret of at least thirty-two bytes'
    await using bridge = createTestBridge({ auth: { secret } })
    const anonymous = bridge.connect({ events })
    await expect(say(anonymous, 'x')).rejects.toMatchObject({ code: 'authentication-failed' })
    const ada = bridge.connect({ events, as: { user: 'ada' } })
    await say(ada, 'x')
    await using other = createTestBridge({ auth: { jwksUrl: 'https://test.invalid/keys' } })
    expect(() => other.connect({ events, as: { user: 'ada' } })).toThrow(/Use `token`/)
    expect(() => bridge.connect({ events, network: other.network() })).toThrow(/another bridge/)
    expect(() => bridge.clock).toThrow(/uses real time/)
  })

  it('has services at the broker, and HTTP routes by fetch', async () => {
    await using bridge = createTestBridge()
    const received = await collect(bridge.connect({ events }))
    await say(bridge.service({ events }), 'from a service')
    await using edge = connect({ transport: http({ url: 'http://bridge', fetch: bridge.fetch }), events })
    await say(edge, 'from an edge function')
    await bridge.settle()
    expect(received).toEqual(['from a service', 'from an edge function'])
  })

  it('supports presence', async () => {
    await using bridge = createTestBridge()
    const [ada, bob] = ['ada', 'bob'].map((user) => bridge.connect({ events, as: { user } })) as [TestBus, TestBus]
    const [atAda, atBob] = [await ada.presence('room'), await bob.presence('room')]
    await atAda.join({ mood: 'fine' })
    const members = await eventually(() => atBob.members.size > 0 && [...atBob.members.values()])
    expect(members).toMatchObject([{ user: 'ada', state: { mood: 'fine' } }])
  })
})

describe('network faults with a fake clock', () => {
  it('rejects a second fake clock', async () => {
    const twice = {
      code: 'invalid-argument',
      message: expect.stringMatching(/already faked/),
    }
    {
      await using _ = createTestBridge({ clock: 'fake' })
      expect(() => createTestBridge({ clock: 'fake' })).toThrow(expect.objectContaining(twice))
    }
    vi.useFakeTimers()
    expect(() => createTestBridge({ clock: 'fake' })).toThrow(expect.objectContaining(twice))
    vi.useRealTimers()
    await using _ = createTestBridge({ clock: 'fake' })
  })

  it('reconnects clients after drop, without loss of stream messages', async () => {
    await using bridge = createTestBridge({ clock: 'fake' })
    await bridge.ensureStreams(events)
    const bus = bridge.connect({ events })
    const { seen, gaps } = follow(bus)
    await bridge.settle()
    const service = bridge.service({ events })
    await service.publish('orders.{id}', { id: 'x' }, { n: 1 })
    bridge.drop()
    expect(bus.status.current.state).toBe('reconnecting')
    await service.publish('orders.{id}', { id: 'x' }, { n: 2 })
    await bridge.clock.advance(100)
    expect(bus.status.current.state).toBe('open')
    expect([seen, gaps]).toEqual([[1, 2], []])
  })

  it('closes a partitioned client after two unanswered PINGs', async () => {
    await using bridge = createTestBridge({ clock: 'fake' })
    const lost = bridge.network()
    const [ada, bob] = [bridge.connect({ events, network: lost }), bridge.connect({ events })]
    const [atAda, atBob] = [await collect(ada), await collect(bob)]
    lost.partition()
    await say(bob, 'while ada is away')
    await bridge.clock.advance(20_000)
    expect([atAda, atBob, ada.status.current.state]).toEqual([[], ['while ada is away'], 'open'])
    await bridge.clock.advance(30_000)
    expect([ada.status.current.state, bob.status.current.state]).toEqual(['reconnecting', 'open'])
    lost.heal()
    await bridge.clock.advance(20_000)
    expect(ada.status.current.state).toBe('open')
    await say(bob, 'again')
    await bridge.settle()
    expect(atAda).toEqual(['again'])
  })

  it('delivers after a short partition', async () => {
    await using bridge = createTestBridge({ clock: 'fake' })
    const bus = bridge.connect({ events })
    const received = await collect(bus)
    bridge.partition()
    const said = say(bus, 'late')
    await bridge.settle()
    expect(received).toEqual([])
    bridge.heal()
    await said
    await bridge.settle()
    expect(received).toEqual(['late'])
  })

  it('queues publishes while the network is down', async () => {
    await using bridge = createTestBridge({ clock: 'fake' })
    const tunnel = bridge.network()
    const [ada, bob] = [bridge.connect({ events, network: tunnel }), bridge.connect({ events })]
    const received = await collect(bob)
    await collect(ada)
    tunnel.down()
    const said = say(ada, 'kept')
    await bridge.clock.advance(60_000)
    expect([ada.status.current.state, received]).toEqual(['reconnecting', []])
    tunnel.heal()
    await bridge.clock.advance(20_000)
    await said
    expect(received).toEqual(['kept'])
  })

  it('publishes later, repeats and expires events of streams by the clock', async () => {
    await using bridge = createTestBridge({ clock: 'fake' })
    await bridge.ensureStreams(events)
    const bus = bridge.connect({ events })
    const { seen } = follow(bus)
    const orders = bus.latest('orders.{id}')
    await bus.publish('orders.{id}', { id: 'short' }, { n: 1 }, { ttl: 60_000 })
    await bus.publish('orders.{id}', { id: 'later' }, { n: 2 }, { at: bridge.clock.now + 120_000 })
    const repeated = await bus.publish('orders.{id}', { id: 'often' }, { n: 3 }, { every: 100_000 })
    await bridge.settle()
    expect([seen, [...orders.values().keys()]]).toEqual([[1], ['orders.short']])
    await bridge.clock.advance(61_000)
    expect(orders.values().size).toBe(0)
    await bridge.clock.advance(150_000)
    expect(seen).toEqual([1, 3, 2, 3])
    await repeated.cancel()
    await bridge.clock.advance(150_000)
    expect(seen).toHaveLength(4)
  })

  it('keeps streams at restart', async () => {
    await using bridge = createTestBridge({ clock: 'fake' })
    await bridge.ensureStreams(events)
    const bus = bridge.connect({ events })
    const { seen, gaps } = follow(bus)
    const service = bridge.service({ events })
    for (const n of [1, 2, 3]) {
      await service.publish('orders.{id}', { id: 'x' }, { n })
      bridge.restart()
      await service.publish('orders.{id}', { id: 'x' }, { n: 10 * n })
      await bridge.clock.advance(1_000)
    }
    expect([seen, gaps]).toEqual([[1, 10, 2, 20, 3, 30], []])
  })

  it('advances a day, with token refreshes, and restores timers', async () => {
    const real = globalThis.setTimeout
    const began = Date.now()
    await using bridge = createTestBridge({ clock: 'fake' })
    const states: string[] = []
    const bus = bridge.connect({ events, as: { user: 'ada', expiresIn: 60 } })
    bus.status.subscribe(({ state }) => states.push(state))
    const received = await collect(bus)
    await bridge.clock.advance(3_600_000)
    await say(bus, 'an hour later')
    await bridge.settle()
    expect([received, states]).toEqual([['an hour later'], ['open']])
    expect(Date.now() - began).toBeGreaterThanOrEqual(3_600_000)
    expect(bridge.clock.now).toBe(Date.now())
    await bridge.close()
    expect(globalThis.setTimeout).toBe(real)
    expect(Date.now() - began).toBeLessThan(60_000)
  })
})
