/** `spanwire/testing` as an application's tests use it. */
import { describe, expect, it, vi } from 'vitest'
import { createTestBridge } from '../../../../bridge/testing/index.ts'
import { connect } from '../../../../sdk/connect.ts'
import { type Bus, defineEvents, event, type Gap, type StandardSchema } from '../../../../sdk/index.ts'
import { http } from '../../../../sdk/transport/http/index.ts'

const schema = <Data>(): StandardSchema<Data> => ({
  '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value: value as Data }) },
})
const events = defineEvents({
  'chat.{room}': schema<{ text: string }>(),
  'orders.{id}': event(schema<{ n: number }>(), { stream: 'ORDERS' }),
})
type TestBus = Bus<typeof events>

const say = (bus: TestBus, text: string) => bus.publish('chat.{room}', { room: 'a' }, { text })
const hear = async (bus: TestBus) => {
  const heard: string[] = []
  await bus.on('chat.{room}', ({ data }) => heard.push(data.text)).ready
  return heard
}
const follow = (bus: TestBus) => {
  const seen: number[] = []
  const gaps: Gap[] = []
  bus.on('orders.{id}', ({ data }) => seen.push(data.n), { from: 'all', onGap: (gap) => gaps.push(gap) })
  return { seen, gaps }
}

describe('real time', () => {
  it('carries events, requests and streams, and settles', async () => {
    await using bridge = createTestBridge()
    const [ada, bob] = [bridge.connect({ events }), bridge.connect({ events })]
    const heard = await hear(bob)
    await say(ada, 'hello')
    await bridge.settle()
    expect(heard).toEqual(['hello'])
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

  it('users have what their tokens say', async () => {
    await using bridge = createTestBridge()
    const ada = bridge.connect({ events, as: { user: 'ada', publish: ['chat.{room}'], subscribe: [] } })
    await expect(ada.publish('orders.{id}', { id: 'x' }, { n: 1 })).rejects.toMatchObject({ code: 'permission-denied' })
    await say(ada, 'allowed')
    await expect(ada.on('chat.{room}', () => {}).ready).rejects.toMatchObject({ code: 'permission-denied' })
  })

  it('a bridge’s own auth is tested by its own tokens', async () => {
    const secret = 'a secret of at least thirty-two bytes'
    await using bridge = createTestBridge({ auth: { secret } })
    const nobody = bridge.connect({ events })
    await expect(say(nobody, 'x')).rejects.toMatchObject({ code: 'authentication-failed' })
    const ada = bridge.connect({ events, as: { user: 'ada' } })
    await say(ada, 'x')
    await using other = createTestBridge({ auth: { jwksUrl: 'https://test.invalid/keys' } })
    expect(() => other.connect({ events, as: { user: 'ada' } })).toThrow(/give `token`/)
    expect(() => bridge.connect({ events, network: other.network() })).toThrow(/another bridge/)
    expect(() => bridge.clock).toThrow(/real time/)
  })

  it('services publish beside the bridge, and edge functions by fetch', async () => {
    await using bridge = createTestBridge()
    const heard = await hear(bridge.connect({ events }))
    await say(bridge.service({ events }), 'from a service')
    await using edge = connect({ transport: http({ url: 'http://bridge', fetch: bridge.fetch }), events })
    await say(edge, 'from an edge function')
    await bridge.settle()
    expect(heard).toEqual(['from a service', 'from an edge function'])
  })

  it('presence', async () => {
    await using bridge = createTestBridge()
    const [ada, bob] = ['ada', 'bob'].map((user) => bridge.connect({ events, as: { user } })) as [TestBus, TestBus]
    const [atAda, atBob] = [await ada.presence('room'), await bob.presence('room')]
    await atAda.join({ mood: 'fine' })
    await new Promise((resolve) => setTimeout(resolve, 150))
    expect([...atBob.members.values()]).toMatchObject([{ user: 'ada', state: { mood: 'fine' } }])
  })
})

describe('a network that fails, on a clock of the test’s own', () => {
  it('a process has one clock: another fake one is refused with what to do', async () => {
    const twice = {
      code: 'invalid-argument',
      message: expect.stringMatching(/faked already: end the runner's fake timers/),
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

  it('drop: clients come back by themselves, and lose nothing of a stream', async () => {
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

  it('partition: nothing gets through, and a client notices by its pings, after two intervals at most', async () => {
    await using bridge = createTestBridge({ clock: 'fake' })
    const lost = bridge.network()
    const [ada, bob] = [bridge.connect({ events, network: lost }), bridge.connect({ events })]
    const [atAda, atBob] = [await hear(ada), await hear(bob)]
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

  it('a short partition: what was sent meanwhile arrives', async () => {
    await using bridge = createTestBridge({ clock: 'fake' })
    const bus = bridge.connect({ events })
    const heard = await hear(bus)
    bridge.partition()
    const said = say(bus, 'late')
    await bridge.settle()
    expect(heard).toEqual([])
    bridge.heal()
    await said
    await bridge.settle()
    expect(heard).toEqual(['late'])
  })

  it('down: publishes wait in the queue until the network is back', async () => {
    await using bridge = createTestBridge({ clock: 'fake' })
    const tunnel = bridge.network()
    const [ada, bob] = [bridge.connect({ events, network: tunnel }), bridge.connect({ events })]
    const heard = await hear(bob)
    await hear(ada)
    tunnel.down()
    const said = say(ada, 'kept')
    await bridge.clock.advance(60_000)
    expect([ada.status.current.state, heard]).toEqual(['reconnecting', []])
    tunnel.heal()
    await bridge.clock.advance(20_000)
    await said
    expect(heard).toEqual(['kept'])
  })

  it('restart: another process, the same streams', async () => {
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

  it('time: a token is renewed before it expires, a day passes in a moment, and timers are given back', async () => {
    const real = globalThis.setTimeout
    const began = Date.now()
    await using bridge = createTestBridge({ clock: 'fake' })
    const states: string[] = []
    const bus = bridge.connect({ events, as: { user: 'ada', expiresIn: 60 } })
    bus.status.subscribe(({ state }) => states.push(state))
    const heard = await hear(bus)
    await bridge.clock.advance(3_600_000)
    await say(bus, 'an hour later')
    await bridge.settle()
    expect([heard, states]).toEqual([['an hour later'], ['open']])
    expect(Date.now() - began).toBeGreaterThanOrEqual(3_600_000)
    expect(bridge.clock.now).toBe(Date.now())
    await bridge.close()
    expect(globalThis.setTimeout).toBe(real)
    expect(Date.now() - began).toBeLessThan(60_000)
  })
})
