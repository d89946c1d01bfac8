import { connect as dial, type JetStreamManager, type NatsConnection } from 'nats'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { type BridgeServer, serve } from '../../bridge/hosts/node.ts'
import { type CursorStore, connect, defineEvents, event, type Gap, type StreamOnOptions } from '../../sdk/server.ts'
import { eventually } from '../support/eventually.ts'
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'
import { rootToken, SECRET } from '../support/token.ts'

const events = defineEvents({ 'replay.{room}.{kind}': event(z.object({ n: z.number() }), { stream: 'REPLAY' }) })
const name = 'replay.{room}.{kind}'

let server: NatsServer
const isOld = () => Number(server.version.split('.')[1]) < 10
let bridge: BridgeServer
let admin: NatsConnection
let streams: JetStreamManager['streams']
let token: string

beforeAll(async () => {
  server = await startNatsServer({ jetstream: true })
  bridge = await serve({ upstream: server.url, auth: { secret: SECRET } })
  admin = await dial({ servers: server.url })
  streams = (await admin.jetstreamManager()).streams
  token = await rootToken()
})
afterAll(async () => {
  await admin?.close()
  await bridge?.close()
  await server?.[Symbol.asyncDispose]()
})
// Each test has a separate stream.
let count = 0
let stream: string
let room: string
beforeEach(async () => {
  room = `r${++count}`
  stream = `REPLAY${count}`
  await streams.add({ name: stream, subjects: [`replay.${room}.>`] })
})

const routes: Record<string, { port(): number; url(port: number): string }> = {
  'the bridge': { port: () => bridge.port, url: (port) => `http://127.0.0.1:${port}` },
  'a plain nats-server': { port: () => server.wsPort, url: (port) => `ws://127.0.0.1:${port}` },
  'the package nats': { port: () => server.port, url: (port) => `nats://127.0.0.1:${port}` },
}

describe.each(Object.entries(routes))('over %s', (_, { port, url }) => {
  const backoff = { first: 20, longest: 60 }
  const open = (at = port(), onGap: (gap: Gap) => void = () => {}) =>
    connect({ url: url(at), token, events, backoff, onGap })
  type TestBus = ReturnType<typeof open>
  const publish = async (bus: TestBus, from: number, to: number, kind = 'a') => {
    for (let n = from; n <= to; n++) await bus.publish(name, { room, kind }, { n })
  }
  /** Collects the numbers of all events in order of arrival. */
  function listen(bus: TestBus, options: StreamOnOptions = {}) {
    const got: number[] = []
    const lives: Array<boolean | undefined> = []
    const handle = bus.on(
      name,
      { room },
      ({ data, live }) => {
        got.push(data.n)
        lives.push(live)
      },
      options,
    )
    return { got, lives, handle }
  }
  const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i)

  it('begins at the requested start', async () => {
    await using bus = open()
    await publish(bus, 1, 3, 'a')
    await publish(bus, 4, 5, 'b')
    const middle = Date.now() + 1
    await eventually(() => Date.now() > middle)
    await publish(bus, 6, 6, 'b')
    const cases = [
      ['all', numbers(1, 6)],
      ['last', [6]],
      ['last-per-subject', [3, 6]],
      [{ last: 2 }, [5, 6]],
      [{ seq: 3 }, numbers(3, 6)],
      [{ time: middle }, [6]],
      ['new', []],
    ] as const
    const opened = cases.map(([from]) => listen(bus, { from }))
    for (const [i, { handle, got, lives }] of opened.entries()) {
      await handle.ready
      await handle.live
      expect(got, JSON.stringify(cases[i]?.[0])).toEqual(cases[i]?.[1])
      expect(lives).toEqual(got.map(() => false))
    }
    await publish(bus, 7, 7)
    for (const [i, { got, lives }] of opened.entries()) {
      await eventually(() => got.includes(7), { what: JSON.stringify(cases[i]?.[0]) })
      expect(got).toEqual([...(cases[i] as (typeof cases)[number])[1], 7])
      expect(lives.at(-1)).toBe(true)
    }
  })

  it('events have their sequence, and the time of the stream if the publisher set none', async () => {
    await using bus = open()
    const before = Date.now() - 1_000
    await admin.request(`replay.${room}.a`, '{"n":1}')
    for await (const { seq, time, reply, data } of bus.subscribe(name, { room }, { from: 'all' })) {
      expect([seq, data.n, reply]).toEqual([1, 1, undefined])
      expect(time).toBeGreaterThan(before)
      break
    }
  })

  it('delivers each event once and in order over a network that cuts connections', async () => {
    await using proxy = await startFaultProxy(port())
    const gaps: Gap[] = []
    await using bus = open(proxy.port, (gap) => gaps.push(gap))
    await using publisher = open()
    await publish(publisher, 1, 50)
    const { got, handle } = listen(bus, { from: 'all' })
    const iterated: number[] = []
    const iterating = (async () => {
      for await (const { data } of bus.subscribe(name, { room }, { from: 'all', buffer: 7 }))
        if (iterated.push(data.n) === 400) return
    })()
    for (let n = 51; n <= 400; n++) {
      await publisher.publish(name, { room, kind: `${n % 4}` }, { n })
      if (n % 40 === 0) {
        await eventually(() => proxy.connections > 0 && bus.status.current.state === 'open')
        proxy.cut()
      }
      if (n % 100 === 0) await cutWhile(proxy)
    }
    await eventually(() => got.length >= 400, { deadline: 20_000, what: `400 events, not ${got.length}` })
    await iterating
    expect(got).toEqual(numbers(1, 400))
    expect(iterated).toEqual(numbers(1, 400))
    expect(gaps).toEqual([])
    expect(proxy.accepted).toBeGreaterThan(8)
    expect(handle.cursor?.split('@')[0]).toBe('401')
  }, 60_000)

  async function cutWhile(proxy: FaultProxy): Promise<void> {
    proxy.refuse()
    proxy.cut()
    const until = Date.now() + 100
    await eventually(() => Date.now() > until)
    proxy.accept()
  }

  it('reports exactly the events that retention removed during an absence, also after a restart of the bridge', async () => {
    const serveAt = (port: number) => serve({ port, upstream: server.url, auth: { secret: SECRET } })
    const behindBridge = url(1).startsWith('http')
    let own = behindBridge ? await serveAt(0) : undefined
    await using proxy = await startFaultProxy(own?.port ?? port())
    const gaps: Gap[] = []
    await using bus = open(proxy.port, (gap) => gaps.push(gap))
    await using publisher = open()
    await publish(publisher, 1, 5)
    const { got, handle } = listen(bus, { from: 'all' })
    await handle.live
    proxy.refuse()
    proxy.cut()
    await own?.close()
    await eventually(() => bus.status.current.state === 'reconnecting')
    await publish(publisher, 6, 20)
    await streams.purge(stream, { seq: 13 })
    await streams.deleteMessage(stream, 15)
    if (own) own = await serveAt(own.port)
    proxy.accept()
    await eventually(() => got.at(-1) === 20, { what: `20, not ${got}` })
    await publish(publisher, 21, 21)
    await eventually(() => got.at(-1) === 21)
    expect(got).toEqual([1, 2, 3, 4, 5, 13, 14, 16, 17, 18, 19, 20, 21])
    const told = gaps.flatMap(({ ranges }) => ranges).flatMap(({ from, to }) => numbers(from, to))
    expect(told).toEqual([6, 7, 8, 9, 10, 11, 12, 15])
    expect(new Set(gaps.map((gap) => `${gap.reason} ${gap.stream}`))).toEqual(new Set([`removed ${stream}`]))
    await bus.close()
    await own?.close()
  })

  it('reports a stream that was created again during an absence', async () => {
    await using proxy = await startFaultProxy(port())
    const gaps: Gap[] = []
    await using bus = open(proxy.port, (gap) => gaps.push(gap))
    await using publisher = open()
    await publish(publisher, 1, 5)
    const { got, handle } = listen(bus, { from: 'all' })
    await handle.live
    proxy.refuse()
    proxy.cut()
    await eventually(() => bus.status.current.state === 'reconnecting')
    await streams.delete(stream)
    await streams.add({ name: stream, subjects: [`replay.${room}.>`] })
    await publish(publisher, 101, 103)
    proxy.accept()
    await eventually(() => got.at(-1) === 103, { what: `103, not ${got}` })
    expect(got).toEqual([1, 2, 3, 4, 5, 101, 102, 103])
    expect(gaps).toEqual([{ reason: 'recreated', stream, subject: `replay.${room}.*`, ranges: [] }])
  })

  it('resumes after a reload from a cursor or a cursor store', async () => {
    await using publisher = open()
    const kept = new Map<string, string>()
    const cursorStore: CursorStore = {
      get: async (key) => kept.get(key),
      set: async (key, cursor) => void kept.set(key, cursor),
    }
    await publish(publisher, 1, 4)
    let cursor: string | undefined
    {
      await using bus = open()
      const seen: number[] = []
      const subscription = bus.subscribe(name, { room }, { from: 'all', cursorStore })
      for await (const { data } of subscription) if (seen.push(data.n) === 3) break
      // The loop took the third event and requested no more.
      cursor = subscription.cursor
      expect(cursor?.split('@')[0]).toBe('3')
      await eventually(() => kept.get(`replay.${room}.*`) === cursor)
    }
    await using bus = open()
    const [byCursor, byStore] = [listen(bus, { from: { cursor: cursor as string } }), listen(bus, { cursorStore })]
    await publish(publisher, 5, 5)
    for (const { got } of [byCursor, byStore]) {
      await eventually(() => got.at(-1) === 5)
      expect(got).toEqual([3, 4, 5])
    }
    await eventually(() => kept.get(`replay.${room}.*`)?.startsWith('6@'))
  })

  it('latest returns the current value of each subject, and its updates', async () => {
    await using bus = open()
    for (const [n, kind] of [...'abacab'].entries()) await bus.publish(name, { room, kind }, { n })
    const latest = bus.latest(name, { room })
    await latest.ready
    const now = () => Object.fromEntries([...latest.values()].map(([subject, { data }]) => [subject, data.n]))
    expect(now()).toEqual({ [`replay.${room}.a`]: 4, [`replay.${room}.b`]: 5, [`replay.${room}.c`]: 3 })
    expect(latest.get({ room, kind: 'c' })?.data.n).toBe(3)
    expect(latest.get(`replay.${room}.none`)).toBe(undefined)
    const heard: number[] = []
    latest.subscribe(({ data }) => heard.push(data.n))
    await bus.publish(name, { room, kind: 'c' }, { n: 9 })
    await eventually(() => heard.length === 1)
    expect(now()).toEqual({ [`replay.${room}.a`]: 4, [`replay.${room}.b`]: 5, [`replay.${room}.c`]: 9 })
    const iterated: number[] = []
    for await (const { data } of latest) if (iterated.push(data.n) === 3) break
    expect(iterated.sort()).toEqual([4, 5, 9])
    latest.unsubscribe()
  })

  it.for([
    ['Work Queue Retention', { retention: 'workqueue' }] as const,
    ['Subject Transform', { subject_transform: { src: 'replay.>', dest: 'stored.>' } }] as const,
  ])('rejects at once with the reason %s', async ([reason, config], { skip }) => {
    if ('subject_transform' in config && isOld()) skip('this nats-server has no subject_transform')
    await streams.delete(stream)
    await admin.request(
      `$JS.API.STREAM.CREATE.${stream}`,
      JSON.stringify({ name: stream, subjects: [`replay.${room}.>`], storage: 'memory', ...config }),
    )
    await using bus = open()
    await expect(listen(bus).handle.ready).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining(reason),
    })
    const page = await fetch(`http://127.0.0.1:${bridge.port}/history/replay.${room}.a`, {
      headers: { authorization: `Bearer ${token}` },
    })
    expect(page.status).toBe(400)
    expect(await page.text()).toContain(reason)
  })

  it('ends with the reason when the stream is created again with one that can not be read', async () => {
    await using bus = open()
    const events = bus.subscribe(name, { room })
    await events.ready
    const next = expect(events.next()).rejects.toMatchObject({ code: expect.stringMatching(/unsupported|conflict/) })
    await streams.delete(stream)
    const config = { name: stream, subjects: [`replay.${room}.>`], storage: 'memory', retention: 'workqueue' }
    await admin.request(`$JS.API.STREAM.CREATE.${stream}`, JSON.stringify(config))
    await next
  })

  it('rejects without a stream, and ends on close', async () => {
    await streams.delete(stream)
    const bus = open()
    const { handle } = listen(bus)
    await expect(handle.ready).rejects.toMatchObject({ code: 'stream-not-found' })
    await streams.add({ name: stream, subjects: [`replay.${room}.>`] })
    const events = bus.subscribe(name, { room })
    await events.ready
    const next = events.next()
    await bus.close()
    await expect(next).rejects.toMatchObject({ code: 'connection-closed' })
  })
})
