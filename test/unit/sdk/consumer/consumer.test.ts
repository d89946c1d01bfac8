import { describe, expect, it, vi } from 'vitest'
import * as z from 'zod'
import { createTestBridge } from '../../../../bridge/testing/index.ts'
import { consume } from '../../../../sdk/consumer/index.ts'
import { defineEvents, SpanwireError } from '../../../../sdk/index.ts'
import { http } from '../../../../sdk/transport/http/index.ts'

const events = defineEvents({ 'jobs.{id}': z.object({ n: z.number() }) }, { stream: 'JOBS' })
const numbers = (count: number) => Array.from({ length: count }, (_, i) => i + 1)

describe('a consumer during network failures', () => {
  it('pulls again after missing heartbeats, and keeps its concurrency when both pulls are answered', async () => {
    await using bridge = createTestBridge({ clock: 'fake' })
    await bridge.ensureStreams(events)
    const tunnel = bridge.network()
    const service = bridge.service({ events })
    const { promise: gate, resolve: release } = Promise.withResolvers<void>()
    const handled: string[] = []
    let most = 0
    let running = 0
    const start = (who: string, network = tunnel) =>
      consume(
        { events, connection: bridge.transport({ network }) },
        'jobs.{id}',
        async (e, { attempt }) => {
          handled.push(`${who}${e.data.n}/${attempt}`)
          most = Math.max(most, ++running)
          await gate
          running--
        },
        { consumer: 'w', concurrency: 2 },
      )
    const first = start('a')
    await bridge.settle()
    await first.ready

    // Longer than the limit for heartbeats (12.5 s), shorter than the limit for the connection.
    tunnel.partition()
    await bridge.clock.advance(16_000)
    tunnel.heal()
    await bridge.clock.advance(1_000)
    for (const n of numbers(5)) await service.publish('jobs.{id}', { id: String(n) }, { n })
    await bridge.clock.advance(1_000)
    expect(handled).toEqual(['a1/1', 'a2/1'])

    // Messages above the concurrency are returned, and go to other processes.
    const drained = first.drain()
    start('b')
    await bridge.clock.advance(1_000)
    expect(handled.slice(2)).toEqual(['b3/2', 'b4/2'])
    release()
    await drained
    await bridge.clock.advance(1_000)
    expect(handled.slice(4)).toEqual(['b5/1'])
    expect(most).toBe(4)
  })

  it('acknowledges after a reconnect', async () => {
    await using bridge = createTestBridge({ clock: 'fake' })
    await bridge.ensureStreams(events)
    const tunnel = bridge.network()
    const { promise: gate, resolve: release } = Promise.withResolvers<void>()
    const attempts: number[] = []
    const handle = async (_: unknown, { attempt }: { attempt: number }) => {
      attempts.push(attempt)
      await gate
    }
    consume({ events, connection: bridge.transport({ network: tunnel }) }, 'jobs.{id}', handle, { consumer: 'w' })
    await bridge.settle()
    await bridge.service({ events }).publish('jobs.{id}', { id: '1' }, { n: 1 })
    await bridge.settle()
    expect(attempts).toEqual([1])
    tunnel.down()
    release()
    await bridge.clock.advance(5_000)
    tunnel.heal()
    await bridge.clock.advance(120_000)
    expect(attempts).toEqual([1])
  })

  it('sends no in-progress acknowledgements while offline, and can be drained', async () => {
    await using bridge = createTestBridge({ clock: 'fake' })
    await bridge.ensureStreams(events)
    const tunnel = bridge.network()
    const transport = bridge.transport({ network: tunnel })
    const { promise: gate, resolve: release } = Promise.withResolvers<void>()
    const worker = consume({ events, connection: transport }, 'jobs.{id}', () => gate, {
      consumer: 'w',
      ackWait: 1_000,
    })
    await bridge.settle()
    await bridge.service({ events }).publish('jobs.{id}', { id: '1' }, { n: 1 })
    const published = vi.spyOn(transport, 'publish')
    await bridge.clock.advance(5_000)
    expect(published).toHaveBeenCalled()

    tunnel.down()
    published.mockClear()
    await bridge.clock.advance(20_000)
    expect(published).not.toHaveBeenCalled()

    release()
    let isDrained = false
    const drained = worker.drain().then(() => (isDrained = true))
    await bridge.clock.advance(5_000)
    expect(isDrained).toBe(true)
    await drained
  })
})

describe('an ordered consumer', () => {
  it('does not start events that were redelivered to another process', async () => {
    await using bridge = createTestBridge({ clock: 'fake' })
    await bridge.ensureStreams(events)
    const tunnel = bridge.network()
    const service = bridge.service({ events })
    const { promise: gate, resolve: release } = Promise.withResolvers<void>()
    const handled: string[] = []
    const start = (who: string, network = bridge.network()) =>
      consume(
        { events, connection: bridge.transport({ network }) },
        'jobs.{id}',
        (e, { attempt }) => {
          handled.push(`${who}${e.data.n}/${attempt}`)
          return who === 'a' ? gate : undefined
        },
        { consumer: 'w', ordered: 'id', concurrency: 4, ackWait: 2_000 },
      )
    const first = start('a', tunnel)
    await bridge.settle()
    await first.ready
    for (const n of numbers(3)) await service.publish('jobs.{id}', { id: 'same' }, { n })
    await bridge.clock.advance(500)
    start('b')
    await bridge.clock.advance(500)
    expect(handled).toEqual(['a1/1'])

    // It loses its pin, and drops its buffered events.
    tunnel.partition()
    await bridge.clock.advance(10_000)
    expect(handled.slice(1)).toEqual(['b1/2', 'b2/2', 'b3/2'])
    release()
    await bridge.clock.advance(1_000)
    tunnel.heal()
    await bridge.clock.advance(30_000)
    expect(handled.length).toBe(4)

    // Both processes continue.
    for (const n of [4, 5]) await service.publish('jobs.{id}', { id: 'same' }, { n })
    await bridge.clock.advance(5_000)
    expect(handled.slice(4)).toEqual(['b4/1', 'b5/1'])
  })

  it('buffers at most 255 events behind one that fails', async () => {
    await using bridge = createTestBridge({ clock: 'fake' })
    await bridge.ensureStreams(events)
    const service = bridge.service({ events })
    const handled: string[] = []
    let works = false
    const options = { consumer: 'w', ordered: 'id', backoff: [60_000], onError: () => {} } as const
    consume(
      { events, connection: bridge.transport() },
      'jobs.{id}',
      (e) => {
        if (e.params.id === 'bad' && !works) throw new Error('no')
        handled.push(`${e.params.id}${e.data.n}`)
      },
      options,
    )
    await bridge.settle()
    // One that fails, 255 behind it, and one more that is delivered once there is room.
    for (const n of numbers(256)) await service.publish('jobs.{id}', { id: 'bad' }, { n })
    await service.publish('jobs.{id}', { id: 'good' }, { n: 1 })
    await bridge.clock.advance(50_000)
    expect(handled).toEqual([])
    works = true
    await bridge.clock.advance(60_000)
    expect(handled.filter((text) => text.startsWith('bad'))).toEqual(numbers(256).map((n) => `bad${n}`))
    expect(handled).toContain('good1')
  })
})

it('an ordered consumer requests the events again that it held for too long', async () => {
  await using bridge = createTestBridge({ clock: 'fake' })
  await bridge.ensureStreams(events)
  const service = bridge.service({ events })
  const transport = bridge.transport()
  const handled: number[] = []
  const { promise: gate, resolve: release } = Promise.withResolvers<void>()
  // Like a process whose event loop is blocked, it reports no progress.
  let isBlocked = true
  const publish: typeof transport.publish = (subject, payload, options) =>
    isBlocked && new TextDecoder().decode(payload) === '+WPI'
      ? new Promise<void>(() => {})
      : transport.publish(subject, payload, options)
  const connection = new Proxy(transport, {
    get: (target, name) => {
      const member = name === 'publish' ? publish : Reflect.get(target, name)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
  consume(
    { events, connection },
    'jobs.{id}',
    (e) => {
      handled.push(e.data.n)
      return gate
    },
    { consumer: 'w', ordered: 'id', ackWait: 1_000 },
  )
  await bridge.settle()
  // More than a process holds.
  for (const n of numbers(300)) await service.publish('jobs.{id}', { id: String(n % 7) }, { n })
  await bridge.clock.advance(3_000)
  expect(handled).toEqual([1])
  isBlocked = false
  release()
  await bridge.clock.advance(60_000)
  const distinct = [...new Set(handled)]
  expect(distinct).toHaveLength(300)
  for (const key of [0, 1, 2, 3, 4, 5, 6])
    expect(distinct.filter((n) => n % 7 === key)).toEqual(numbers(300).filter((n) => n % 7 === key))
})

describe('options of a consumer', () => {
  it.each([
    [{ consumer: 'a.b' }, /^consumer must be a name/],
    [{ consumer: '' }, /^consumer must be a name/],
    [{ consumer: 'w', from: { time: Number.NaN } }, /^from must be/],
    [{ consumer: 'w', from: { seq: 0 } }, /^from must be/],
    [{ consumer: 'w', from: 'last' as 'new' }, /^from must be/],
    [{ consumer: 'w', concurrency: 0 }, /^concurrency/],
    [{ consumer: 'w', concurrency: 2, ordered: true }, /^With ordered/],
    [{ consumer: 'w', ordered: 'sort' as 'id' }, /^ordered must be true, false or names of the event's params \(id\)/],
    [{ consumer: 'w', ordered: [] }, /^ordered must be/],
    [{ consumer: 'w', ordered: 'id', concurrency: 257 }, /^With ordered, concurrency must be at most 256/],
    [{ consumer: 'w', ackWait: 10 }, /^ackWait must be between 1,000 ms and 24 days/],
    [{ consumer: 'w', backoff: [] }, /^backoff/],
    [{ consumer: 'w', backoff: [-1] }, /^backoff/],
    [{ consumer: 'w', deadLetter: { subject: 'a.*' } }, /^deadLetter/],
    [{ consumer: 'w', deadLetter: { subject: 'a', attempts: 0 } }, /^deadLetter/],
    // Otherwise the consumer would receive its own dead letters.
    [
      { consumer: 'w', deadLetter: { subject: 'jobs.dead' } },
      /^deadLetter.subject is jobs.dead, which is in the filter of this consumer/,
    ],
  ] as const)('%j is refused', async (options, text) => {
    await using bridge = createTestBridge()
    const transport = bridge.transport()
    const subscribe = vi.spyOn(transport, 'subscribe')
    expect(() => consume({ events, connection: transport }, 'jobs.{id}', () => {}, options)).toThrow(
      expect.objectContaining({ code: 'invalid-argument', message: expect.stringMatching(text) }),
    )
    expect(subscribe).not.toHaveBeenCalled()
  })

  it('a dead letter may have a subject of the same event if the params of the consumer exclude it', async () => {
    await using bridge = createTestBridge()
    await bridge.ensureStreams(events)
    const options = { consumer: 'w', params: { id: 'a' }, deadLetter: { subject: 'jobs.dead' } }
    await using worker = consume({ events, connection: bridge.transport() }, 'jobs.{id}', () => {}, options)
    await worker.ready
  })

  it('a transport that cannot receive is refused', async () => {
    await using bridge = createTestBridge()
    await bridge.ensureStreams(events)
    const ends: Error[] = []
    const transport = http({ url: 'http://bridge', fetch: bridge.fetch as typeof fetch })
    const options = { consumer: 'w', onEnd: (error: Error) => ends.push(error) }
    const { ready } = consume({ events, connection: transport }, 'jobs.{id}', () => {}, options)
    await expect(ready).rejects.toMatchObject({ code: 'unsupported' })
    expect(ends).toEqual([expect.objectContaining({ code: 'unsupported' })])
  })

  it('drain before it is ready rejects ready, without onEnd', async () => {
    await using bridge = createTestBridge()
    const network = bridge.network()
    network.down()
    const ends: Error[] = []
    const options = { consumer: 'w', onEnd: (error: Error) => ends.push(error) }
    const worker = consume({ events, connection: bridge.transport({ network }) }, 'jobs.{id}', () => {}, options)
    await worker.drain()
    network.heal()
    await expect(worker.ready).rejects.toBeInstanceOf(SpanwireError)
    expect(ends).toEqual([])
  })

  it('events without a stream, and unknown events, are refused', async () => {
    await using bridge = createTestBridge()
    const live = defineEvents({ a: z.object({}) })
    const call = (contract: object, name: string) =>
      consume({ events: contract as typeof events, connection: bridge.transport() }, name as 'jobs.{id}', () => {}, {
        consumer: 'w',
      })
    expect(() => call(live, 'a')).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
    expect(() => call(events, 'toString')).toThrow(expect.objectContaining({ code: 'unknown-event' }))
  })
})
