import { once } from 'node:events'
import { mkdtempDisposable, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod'
import type { BridgeServer } from '../../bridge/hosts/node.ts'
import { type ConsumeOptions, type Consumer, consume } from '../../sdk/consumer/index.ts'
import { type Bus, connect, defineEvents, event, type Transport, webSocket } from '../../sdk/index.ts'
import { JetStreamApi } from '../../sdk/jetstream/api.ts'
import { ensureStreams } from '../../sdk/streams/index.ts'
import { nats } from '../../sdk/transport/nats/index.ts'
import { transportLink } from '../../sdk/transport/transport-link.ts'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { type BrokerStack, startBrokerStack, targetsOf } from '../support/broker-stack.ts'
import { eventually } from '../support/eventually.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'
import { runOn } from '../support/process-host.ts'
import { createToken } from '../support/token.ts'

const events = defineEvents(
  {
    'jobs.{id}': z.object({ n: z.number() }),
    'mail.{id}': z.object({}),
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

const targets = {
  ...targetsOf(() => stack),
  'nats-server by WebSocket': () => webSocket({ url: server.wsUrl }),
}

/** Whether nats-server has no pinned consumers. */
const isOld = () => Number(server.version.split('.')[1]) < 11

describe.each(Object.entries(targets))('a work queue on %s', (name, open) => {
  const isUnsupported = () => isOld() && name !== 'the embedded broker'
  let bus: Bus<Contract>
  let api: JetStreamApi
  const opened: Transport[] = []
  const consumers: Consumer[] = []
  /** Calls of handlers in order: `<worker><n>`, with the attempt from the second one on. */
  let handled: string[] = []
  let errors: unknown[] = []

  function dial(): Transport {
    const transport = open()
    opened.push(transport)
    return transport
  }

  /** A worker with a separate connection. */
  function work(who: string, options: Options = {}, handle: (n: number, attempt: number) => unknown = () => {}) {
    const transport = dial()
    const consumer = consume(
      { events, connection: transport },
      'jobs.{id}',
      (e, { attempt }) => {
        handled.push(`${who}${e.data.n}${attempt > 1 ? `/${attempt}` : ''}`)
        return handle(e.data.n, attempt)
      },
      { consumer: 'workers', onError: (error) => errors.push(error), ...options },
    )
    consumers.push(consumer)
    return Object.assign(consumer, { transport })
  }

  const publish = (from: number, to: number) =>
    Promise.all(
      Array.from({ length: to - from + 1 }, (_, i) =>
        bus.publish('jobs.{id}', { id: String(from + i) }, { n: from + i }),
      ),
    )
  const numbers = () => handled.map((text) => Number(text.replace(/^\D+/, '').replace(/\/.*/, '')))
  const sorted = () => numbers().sort((a, b) => a - b)
  const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1)
  async function ask(what: string) {
    const { payload } = await api.link.request(`$JS.API.${what}`, new Uint8Array(), { timeout: 2_000 })
    return JSON.parse(new TextDecoder().decode(payload))
  }
  /** Waits until JetStream has no more events for the workers. */
  const allSettled = () =>
    eventually(
      async () => {
        const { delivered, ack_floor, num_ack_pending, num_pending } = await ask('CONSUMER.INFO.JOBS.workers')
        const { last_seq } = (await ask('STREAM.INFO.JOBS')).state
        // The number of pending messages is only an estimate.
        if (num_ack_pending === 0 && ack_floor.stream_seq === last_seq) return true
        throw new Error(JSON.stringify({ delivered, ack_floor, num_ack_pending, num_pending, last_seq, handled }))
      },
      { what: 'all acknowledgements' },
    )

  beforeAll(() => {
    const transport = open()
    bus = connect({ events, transport })
    api = new JetStreamApi(transportLink(transport))
  })
  beforeEach(async () => {
    handled = []
    errors = []
    const transport = dial()
    await ensureStreams(events, transport)
  })
  afterEach(async () => {
    await Promise.all(consumers.splice(0).map((consumer) => consumer.drain()))
    await Promise.all(opened.splice(0).map((transport) => transport.close()))
    await api.deleteStream('JOBS')
    await api.deleteStream('DEAD')
  })
  afterAll(() => bus?.close())

  it('delivers each event to one of the workers', async () => {
    await publish(1, 20)
    const [a, b] = [work('a', { concurrency: 3 }), work('b', { concurrency: 3 })]
    await Promise.all([a.ready, b.ready])
    await publish(21, 120)
    await eventually(() => handled.length >= 120)
    await allSettled()
    expect(sorted()).toEqual(upTo(120))
    expect(new Set(handled.map((text) => text[0]))).toEqual(new Set(['a', 'b']))
    // A later worker gets no event.
    await work('c').ready
    await publish(121, 121)
    await eventually(() => handled.length >= 121)
    await allSettled()
    expect(sorted()).toEqual(upTo(121))
    expect(errors).toEqual([])
  })

  it('runs at most `concurrency` handlers at a time', async () => {
    let running = 0
    let most = 0
    work('a', { concurrency: 4 }, async () => {
      most = Math.max(most, ++running)
      await new Promise((resolve) => setTimeout(resolve, 5))
      running--
    })
    await publish(1, 60)
    await eventually(() => handled.length >= 60)
    await allSettled()
    expect(sorted()).toEqual(upTo(60))
    expect(most).toBe(4)
  })

  it('delivers several events in the order of the stream, and each to one of the workers', async () => {
    const got: string[] = []
    const start = () => {
      const consumer = consume(
        { events, connection: dial() },
        ['mail.{id}', 'jobs.{id}'],
        (e) => got.push(e.name === 'jobs.{id}' ? `job ${e.data.n}` : `mail ${e.params.id}`),
        { consumer: 'both', ordered: true },
      )
      consumers.push(consumer)
      return consumer
    }
    if (Number(server.version.split('.')[1]) < 10 && name.startsWith('nats-server'))
      return expect(start().ready).rejects.toMatchObject({ code: 'unsupported' })
    for (let n = 1; n <= 3; n++) {
      await publish(n, n)
      await bus.publish('mail.{id}', { id: String(n) }, {})
    }
    await Promise.all([start().ready, start().ready])
    await publish(4, 4)
    await eventually(() => got.length >= 7)
    expect(got).toEqual(['job 1', 'mail 1', 'job 2', 'mail 2', 'job 3', 'mail 3', 'job 4'])
    const { config } = await ask('CONSUMER.INFO.JOBS.both')
    expect(config.filter_subjects).toEqual(['jobs.*', 'mail.*'])
    // Another process with another list is refused.
    const other = consume({ events, connection: dial() }, 'jobs.{id}', () => {}, { consumer: 'both', onEnd: () => {} })
    await expect(other.ready).rejects.toMatchObject({ code: 'stream-conflict' })
  })

  it('retries failed events, and handles other events meanwhile', async () => {
    // An error of a handler is retried. Invalid data goes to the dead letters at once.
    work('a', { backoff: [50, 300], deadLetter: { subject: 'dead.jobs' } }, (n, attempt) => {
      if (n === 1 && attempt < 3) throw new SpanwireError('invalid-data', `no ${attempt}`)
    })
    await publish(1, 3)
    await eventually(() => handled.includes('a1/3'))
    await allSettled()
    expect(handled).toEqual(expect.arrayContaining(['a1', 'a2', 'a3', 'a1/2', 'a1/3']))
    expect(handled.length).toBe(5)
    expect(handled.indexOf('a1/3')).toBe(4)
    expect(errors.map(String)).toEqual(['SpanwireError: no 1', 'SpanwireError: no 2'])
  })

  it('keeps the order with `ordered: true`, over several workers and failures', async () => {
    const flaky = (n: number, attempt: number) => {
      if (n % 3 === 0 && attempt === 1) throw new Error('no')
    }
    const options = { ordered: true, backoff: [20] }
    for (const who of ['a', 'b', 'c']) work(who, options, flaky)
    await publish(1, 9)
    await eventually(() => handled.length >= 12)
    await allSettled()
    expect(numbers()).toEqual([1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9, 9])
  })

  it('keeps the order of each key with `ordered` params, and handles other keys concurrently', async () => {
    const running = new Set<string>()
    let most = 0
    const handle = async (n: number, attempt: number) => {
      const id = String(n % 4)
      expect(running.has(id)).toBe(false)
      running.add(id)
      most = Math.max(most, running.size)
      await new Promise((resolve) => setTimeout(resolve, 2 + (n % 3) * 5))
      running.delete(id)
      // Later events of the same key wait. Other keys do not.
      if (n % 7 === 3 && attempt < 3) throw new Error('no')
    }
    const options = { ordered: 'id', concurrency: 3, backoff: [30] } as const
    const [first, second] = [work('a', options, handle), work('b', options, handle)]
    if (isUnsupported()) return expect(first.ready).rejects.toMatchObject({ code: 'unsupported' })
    await Promise.all([first.ready, second.ready])
    const publishIds = async (from: number, to: number) => {
      for (let n = from; n <= to; n++) await bus.publish('jobs.{id}', { id: String(n % 4) }, { n })
    }
    await publishIds(1, 40)
    await eventually(() => sorted().at(-1) === 40)
    await allSettled()
    const who = handled[0]?.[0]
    expect(new Set(handled.map((text) => text[0]))).toEqual(new Set([who]))
    expect(most).toBe(3)

    // The other worker takes over the waiting events after the running one has finished.
    void publishIds(41, 80)
    await eventually(() => handled.length > 55)
    await (who === 'a' ? first : second).drain()
    const other = who === 'a' ? 'b' : 'a'
    await eventually(() => new Set(numbers()).size === 80 && handled.at(-1)?.startsWith(other))
    await allSettled()
    for (const key of [0, 1, 2, 3]) {
      const own = numbers().filter((n) => n % 4 === key)
      // The failed event was retried at once.
      expect(own.filter((n, at) => n !== own[at - 1])).toEqual(upTo(80).filter((n) => n % 4 === key))
    }
    expect(errors.length).toBe(handled.length - 80)
  })

  it('hands over the events of a lost connection to another process, in order', async () => {
    const options = { ordered: ['id'], concurrency: 3, ackWait: 1_000 } as const
    const lost = work('a', options, () => new Promise(() => {}))
    if (isUnsupported()) return expect(lost.ready).rejects.toMatchObject({ code: 'unsupported' })
    for (const n of upTo(6)) await bus.publish('jobs.{id}', { id: String(n % 2) }, { n })
    await eventually(() => handled.length === 2)
    consumers.splice(0)
    const heir = work('b', options)
    await heir.ready
    for (const n of [7, 8]) await bus.publish('jobs.{id}', { id: String(n % 2) }, { n })
    await lost.transport.close()
    await eventually(() => handled.filter((text) => text.startsWith('b')).length >= 8)
    await allSettled()
    const heirs = numbers().slice(2)
    // On a busy machine ackWait may expire. A handled event is then delivered again.
    for (const key of [0, 1])
      expect([...new Set(heirs.filter((n) => n % 2 === key))]).toEqual(upTo(8).filter((n) => n % 2 === key))
    expect(handled.slice(0, 2).sort()).toEqual(['a1', 'a2'])
  })

  it('sends no event to the dead letters that only changed hands', async () => {
    const options = { ordered: 'id', deadLetter: { subject: 'dead.jobs', attempts: 1 } } as const
    const first = work('a', options, () => new Promise((resolve) => setTimeout(resolve, 20)))
    if (isUnsupported()) return expect(first.ready).rejects.toMatchObject({ code: 'unsupported' })
    for (const n of upTo(12)) await bus.publish('jobs.{id}', { id: 'same' }, { n })
    let worker = first
    for (let i = 1; i <= 6; i++) {
      const before = handled.length
      await eventually(() => handled.length > before)
      await worker.drain()
      worker = work('abcdefg'[i] as string, options, () => new Promise((resolve) => setTimeout(resolve, 20)))
    }
    await eventually(() => handled.length >= 12)
    await allSettled()
    expect([...new Set(numbers())]).toEqual(upTo(12))
    expect(errors).toEqual([])
  })

  it('sends events to the dead letters after `attempts` failures, invalid ones at once, with the reason', async () => {
    const dead = bus.subscribe('dead.{of}', { of: 'jobs' }, { from: 'all' })
    const deadLetter = { subject: 'dead.jobs', attempts: 2 }
    work('a', { backoff: [10], deadLetter }, (n) => {
      if (n === 1) throw new Error('line\r\nbreak')
    })
    const transport = dial()
    await transport.publish('jobs.x', new TextEncoder().encode('{"n":"three"}'), { headers: [['Trace', 'abc']] })
    await publish(1, 2)
    const buried = [await dead.next(), await dead.next()].map(({ value }) => value)
    const wrong = buried.find((e) => e?.headers.get('Spanwire-Dead-Subject') === 'jobs.x')
    expect(wrong?.data).toEqual({ n: 'three' })
    expect([...(wrong?.headers ?? [])]).toEqual(
      expect.arrayContaining([
        ['Trace', 'abc'],
        ['Spanwire-Dead-Stream', 'JOBS'],
        ['Spanwire-Dead-Sequence', '1'],
        ['Spanwire-Dead-Consumer', 'workers'],
        ['Spanwire-Dead-Attempts', '1'],
      ]),
    )
    const failed = buried.find((e) => e !== wrong)
    expect(failed?.data).toEqual({ n: 1 })
    expect(failed?.headers.get('Spanwire-Dead-Attempts')).toBe('2')
    expect(failed?.headers.get('Spanwire-Dead-Error')).toBe('line break')
    await allSettled()
    expect(handled.filter((text) => /1/.test(text))).toEqual(['a1', 'a1/2'])
    expect(errors.map((error) => (error as SpanwireError).code)).toEqual(
      expect.arrayContaining(['invalid-data', undefined, undefined]),
    )
    await dead.drain()
  })

  it('keeps an event beyond ackWait while its handler runs', async () => {
    work('a', { ackWait: 1_000 }, () => new Promise((resolve) => setTimeout(resolve, 3_500)))
    work('b', { ackWait: 1_000 }, () => new Promise((resolve) => setTimeout(resolve, 3_500)))
    await publish(1, 1)
    await eventually(() => handled.length >= 1)
    await allSettled()
    expect(handled).toEqual([expect.stringMatching(/^[ab]1$/)])
  })

  it('redelivers the events of a lost connection to other workers', async () => {
    const lost = work('a', { ackWait: 1_000 }, () => new Promise(() => {}))
    await publish(1, 2)
    await eventually(() => handled.length >= 1)
    consumers.splice(0)
    await lost.transport.close()
    work('b', { ackWait: 1_000 })
    await eventually(() => handled.includes('b1/2') && handled.includes('b2'))
    await allSettled()
    expect(handled).toEqual(expect.arrayContaining(['a1', 'b1/2', 'b2']))
    expect(handled.length).toBe(3)
  })

  it('drain finishes running handlers and returns waiting events to other workers at once', async () => {
    const { promise: gate, resolve: release } = Promise.withResolvers<void>()
    const leaving = work('a', { concurrency: 2 }, () => gate)
    await publish(1, 6)
    await eventually(() => handled.length >= 2)
    let drained = false
    const draining = leaving.drain().then(() => (drained = true))
    work('b', { concurrency: 2 })
    await eventually(() => handled.length >= 6)
    expect(drained).toBe(false)
    release()
    await draining
    await allSettled()
    expect(handled.slice(0, 2)).toEqual(['a1', 'a2'])
    expect(sorted()).toEqual(upTo(6))
    await publish(7, 7)
    await eventually(() => handled.includes('b7'))
  })

  it('delivers no event while it is paused, and returns waiting events to other workers', async () => {
    const gate = Promise.withResolvers<void>()
    const paused = work('a', { concurrency: 2 }, (n) => (n <= 2 ? gate.promise : undefined))
    await publish(1, 2)
    await eventually(() => handled.length === 2)
    await paused.pause()
    expect(paused.isPaused).toBe(true)
    await publish(3, 20)
    gate.resolve()
    await eventually(async () => (await paused.lag()).unacknowledged === 0)
    expect(await paused.lag()).toEqual({ pending: 18, unacknowledged: 0, redelivered: 0 })
    expect(numbers()).toEqual([1, 2])

    const other = work('b')
    await allSettled()
    expect(handled.slice(2).map((text) => text[0])).toEqual(Array.from({ length: 18 }, () => 'b'))
    await other.drain()
    await publish(21, 25)
    paused.resume()
    await allSettled()
    expect(sorted()).toEqual(upTo(25))
    expect((await paused.lag()).pending).toBe(0)
    expect(errors).toEqual([])
  })

  it('hands its keys over when it is paused, in order', async () => {
    const options = { ordered: 'id', concurrency: 2 } as const
    const [first, second] = [work('a', options), work('b', options)]
    if (isUnsupported()) return expect(first.ready).rejects.toMatchObject({ code: 'unsupported' })
    await Promise.all([first.ready, second.ready])
    let published = 0
    const writing = (async () => {
      while (published < 60) await bus.publish('jobs.{id}', { id: String(published % 3) }, { n: ++published })
    })()
    const pausedBoth: string[] = []
    for (const [worker, other] of [
      [first, 'b'],
      [second, 'a'],
    ] as const) {
      await eventually(() => handled.length > 0)
      await worker.pause()
      const before = handled.length
      await eventually(() => handled.length > before || handled.length === 60)
      pausedBoth.push(...handled.slice(before).filter((text) => !text.startsWith(other)))
      worker.resume()
    }
    await writing
    await eventually(() => handled.length >= 60)
    await allSettled()
    expect(pausedBoth).toEqual([])
    for (const key of [1, 2, 0]) {
      const own = numbers().filter((n) => n % 3 === key)
      expect(own).toEqual(upTo(60).filter((n) => n % 3 === key))
    }
    expect(errors).toEqual([])
  })

  it('is paused and resumed at any time, also before it has started', async () => {
    const worker = work('a')
    void worker.pause()
    worker.resume()
    void worker.pause()
    await worker.pause()
    await worker.ready
    await publish(1, 3)
    expect((await worker.lag()).pending).toBe(3)
    expect(handled).toEqual([])
    worker.resume()
    await allSettled()
    expect(numbers()).toEqual([1, 2, 3])
    await worker.pause()
    await worker.drain()
    worker.resume()
    await api.link.request('$JS.API.CONSUMER.DELETE.JOBS.workers', new Uint8Array(), { timeout: 2_000 })
    await expect(worker.lag()).rejects.toMatchObject({ code: 'stream-not-found' })
  })

  it('fetches no events if it is drained while it starts', async () => {
    const early = work('a')
    await early.drain()
    const [started] = await Promise.allSettled([early.ready])
    await publish(1, 1)
    work('b')
    await eventually(() => handled.length >= 1)
    await allSettled()
    // This is the first attempt: no handler was called before.
    expect(handled).toEqual(['b1'])
    expect(started).toMatchObject({ reason: { code: 'connection-closed' } })
  })

  it('fetches only events that match params, from the given start', async () => {
    await publish(1, 3)
    work('a', { params: { id: '2' } })
    await eventually(() => handled.length === 1)
    work('n', { consumer: 'newcomers', from: 'new' })
    await consumers.at(-1)?.ready
    work('s', { consumer: 'from-three', from: { seq: 3 } })
    await publish(4, 4)
    await eventually(() => handled.includes('n4') && handled.includes('s4'))
    expect([...handled].sort()).toEqual(['a2', 'n4', 's3', 's4'])
  })

  it('reports a missing stream, a conflicting consumer and a deleted consumer', async () => {
    const ends: unknown[] = []
    const options = { onEnd: (error: Error) => ends.push((error as SpanwireError).code) }
    const first = work('a', options)
    await first.ready
    const other = consume({ events, connection: dial() }, 'mail.{id}', () => {}, {
      consumer: 'workers',
      onEnd: options.onEnd,
    })
    await expect(other.ready).rejects.toMatchObject({ code: 'stream-conflict' })
    api.deleteConsumer('JOBS', 'workers')
    await eventually(() => ends.length === 2)
    expect(ends).toEqual(['stream-conflict', 'stream-not-found'])
    const nowhere = defineEvents({ 'no.{id}': event(z.object({}), { stream: 'NOWHERE' }) })
    const none = consume({ events: nowhere, connection: dial() }, 'no.{id}', () => {}, {
      consumer: 'w',
      onEnd: options.onEnd,
    })
    await expect(none.ready).rejects.toMatchObject({ code: 'stream-not-found' })
  })

  it('reports the deletion of its consumer while no request is pending', async () => {
    const ends: unknown[] = []
    await publish(1, 3)
    const onEnd = (error: Error) => ends.push((error as SpanwireError).code)
    work('a', { onEnd }, async () => {
      await api.link.request('$JS.API.CONSUMER.DELETE.JOBS.workers', new Uint8Array(), { timeout: 2_000 })
    })
    // nats-server before 2.10 does not report it. After 15 s of silence the worker requests the consumer's info.
    await eventually(() => ends.length > 0, { what: 'the end', deadline: 30_000 })
    expect([ends, handled]).toEqual([['stream-not-found'], ['a1']])
  }, 40_000)
})

describe('a work queue on nats-server', () => {
  const begin = async () => {
    const transport = nats({ url: server.url })
    await ensureStreams(events, transport)
    return { transport, bus: connect({ events, transport }) }
  }
  afterEach(async () => {
    const transport = nats({ url: server.url })
    const api = new JetStreamApi(transportLink(transport))
    for (const stream of ['JOBS', 'DEAD']) await api.deleteStream(stream).catch(() => {})
    await transport.close()
  })

  it.each([
    ['loses no event', undefined],
    ['loses no event and keeps the order of each key', 'id'],
  ] as const)(
    '%s while workers are killed and the server is restarted',
    async (_, ordered) => {
      if (ordered && isOld()) return
      await using own = await startNatsServer({ jetstream: true })
      await using folder = await mkdtempDisposable(join(tmpdir(), 'spanwire-workers-'))
      const log = join(folder.path, 'log')
      await writeFile(log, '')
      const transport = nats({ url: own.url })
      await ensureStreams(events, transport)
      const bus = connect({ events, transport })
      const start = () => {
        const child = runOn('node', 'test/support/queue-worker.ts', [own.url, log, ...(ordered ? [ordered] : [])])
        return Object.assign(child, { works: once(child.stdout as Readable, 'data') })
      }
      const workers = [start(), start()]
      const total = 300
      for (let n = 1; n <= total; n++) {
        const published = bus.publish('jobs.{id}', { id: String(n % 5) }, { n })
        if (n === 100 || n === 200) {
          const worker = workers[n === 100 ? 0 : 1] as (typeof workers)[0]
          worker.kill('SIGKILL')
          await once(worker, 'exit')
          workers[workers.indexOf(worker)] = start()
        }
        if (n === 150) void own.restart()
        await published
      }
      const lines = async () => (await readFile(log, 'utf8')).trim().split('\n')
      // Handled events may repeat, in another process.
      const done = (all: string[]) =>
        new Set(all.filter((line) => line.startsWith('done')).map((line) => line.split(' ')[2]))
      await eventually(async () => done(await lines()).size === total, { deadline: 40_000, what: `${total} jobs` })
      for (const worker of workers) {
        await worker.works
        worker.kill('SIGTERM')
        expect((await once(worker, 'exit'))[0]).toBe(0)
      }
      const so = new Map<string, number>()
      for (const line of await lines()) {
        const [word, id = '', n] = line.split(' ')
        const last = so.get(id) ?? (Number(id) || 5) - 5
        // An event begins only after all earlier ones are done.
        if (ordered && word === 'begun') expect(Number(n)).toBeLessThanOrEqual(last + 5)
        if (word === 'done' && Number(n) > last) so.set(id, Number(n))
      }
      await bus.close()
    },
    60_000,
  )

  it('handles each event once and in the order of its key while its process stands still again and again', async () => {
    if (isOld()) return
    await using folder = await mkdtempDisposable(join(tmpdir(), 'spanwire-workers-'))
    const log = join(folder.path, 'log')
    await writeFile(log, '')
    const { bus } = await begin()
    const total = 4_000
    await Promise.all(
      Array.from({ length: total }, (_, n) => bus.publish('jobs.{id}', { id: String(n % 20) }, { n: n + 1 })),
    )
    const worker = runOn('node', 'test/support/queue-worker.ts', [server.url, log, 'id'])
    const begun = async () => {
      const lines = (await readFile(log, 'utf8')).split('\n').filter((line) => line.startsWith('begun'))
      return lines.map((line) => line.split(' ')).map(([, id = '', n]) => ({ id, n: Number(n) }))
    }
    // Around its ackWait of 1.5 s: acknowledgements and repeated deliveries cross.
    for (const [round, still] of [1_450, 1_600, 1_750, 1_900, 2_100].entries()) {
      await eventually(async () => (await begun()).length > (round + 1) * 300, { what: 'some events' })
      worker.kill('SIGSTOP')
      await new Promise((resolve) => setTimeout(resolve, still))
      worker.kill('SIGCONT')
    }
    await eventually(async () => (await begun()).length >= total, { what: 'all events' })
    worker.kill('SIGTERM')
    await once(worker, 'exit')
    const all = await begun()
    const repeated = all.length - new Set(all.map(({ n }) => n)).size
    const last = new Map<string, number>()
    const late = all.filter(({ id, n }) => {
      const before = last.get(id) ?? 0
      last.set(id, Math.max(before, n))
      return n < before
    })
    expect({ repeated, late }).toEqual({ repeated: 0, late: [] })
    await bus.close()
  }, 60_000)

  it('hands over 200 times in quick succession, and no event waits for ackWait', async () => {
    if (isOld()) return
    const { bus } = await begin()
    const handled = new Set<number>()
    const start = () =>
      consume({ events, connection: nats({ url: server.url }) }, 'jobs.{id}', (e) => void handled.add(e.data.n), {
        consumer: 'relay-race',
        ordered: ['id'],
        ackWait: 60_000,
      })
    const workers = [start(), start()] as const
    await Promise.all(workers.map(({ ready }) => ready))
    await workers[1].pause()
    let total = 0
    for (let round = 0; round < 200; round++) {
      const [from, to] = round % 2 === 0 ? workers : [workers[1], workers[0]]
      await Promise.all(
        Array.from({ length: 20 }, () => bus.publish('jobs.{id}', { id: String(total % 7) }, { n: total++ })),
      )
      // Often before the first event has arrived.
      if (round % 3 > 0) await new Promise((resolve) => setTimeout(resolve, round % 20))
      to.resume()
      await from.pause()
    }
    await eventually(() => handled.size === total, { what: 'all events, without a wait for ackWait' })
    for (const worker of workers) await worker.drain()
    await bus.close()
  }, 60_000)

  it('handles events again after a reset of the consumer', async () => {
    // nats-server 2.9 has no resets.
    if (isOld()) return
    const { transport, bus } = await begin()
    const handled: number[] = []
    await using worker = consume({ events, connection: transport }, 'jobs.{id}', (e) => void handled.push(e.data.n), {
      consumer: 'again',
    })
    await worker.ready
    for (const n of [1, 2, 3]) await bus.publish('jobs.{id}', { id: '1' }, { n })
    await eventually(() => handled.length === 3)
    const order = new TextEncoder().encode('{"seq":2}')
    await transport.request('$JS.API.CONSUMER.RESET.JOBS.again', order, { timeout: 5_000 })
    await eventually(() => handled.length >= 5, { what: 'the events from 2 on' })
    expect(handled).toEqual([1, 2, 3, 2, 3])
  })

  it('retries an event whose dead letter has no stream', async () => {
    const { transport, bus } = await begin()
    await bus.publish('jobs.{id}', { id: '1' }, { n: 1 })
    const errors: unknown[] = []
    const attempts: number[] = []
    const worker = consume(
      { events, connection: transport },
      'jobs.{id}',
      (_, { attempt }) => {
        attempts.push(attempt)
        if (errors.length < 2) throw new Error('no')
      },
      {
        consumer: 'homeless',
        backoff: [10],
        deadLetter: { subject: 'nowhere.at.all', attempts: 1 },
        onError: (error) => errors.push(error),
      },
    )
    await eventually(() => attempts.length === 2, { deadline: 30_000 })
    expect(errors).toEqual([new Error('no'), expect.objectContaining({ code: 'stream-not-found' })])
    await worker.drain()
    await bus.close()
  }, 40_000)

  it('reports a consumer whose limit is below `concurrency`', async () => {
    const transport = nats({ url: server.url })
    await ensureStreams(events, transport)
    const limited = {
      ack_policy: 'explicit',
      filter_subject: 'jobs.*',
      max_batch: 2,
      ack_wait: 3e10,
      max_ack_pending: 1_000,
    }
    await new JetStreamApi(transportLink(transport)).putConsumer('JOBS', 'limited', limited)
    const ends: Error[] = []
    const start = (concurrency: number) =>
      consume({ events, connection: transport }, 'jobs.{id}', () => {}, {
        consumer: 'limited',
        concurrency,
        onEnd: (e) => ends.push(e),
      })
    start(3)
    await eventually(() => ends.length === 1)
    expect(ends[0]).toMatchObject({ code: 'stream-conflict', message: expect.stringMatching(/MaxRequestBatch/) })
    await using fits = start(2)
    await fits.ready
    await transport.flush()
    expect(ends.length).toBe(1)
    await transport.close()
  })

  it('sends an event to the dead letters that ends its processes', async () => {
    const { bus } = await begin()
    const dead = bus.subscribe('dead.{of}', { of: 'deadly' })
    await dead.ready
    await bus.publish('jobs.{id}', { id: 'deadly' }, { n: 13 })
    const attempts: number[] = []
    const die = () => {
      const own = nats({ url: server.url })
      return consume(
        { events, connection: own },
        'jobs.{id}',
        (_, { attempt }) => {
          attempts.push(attempt)
          void own.close()
          return new Promise(() => {})
        },
        {
          consumer: 'deadly',
          params: { id: 'deadly' },
          ackWait: 1_000,
          deadLetter: { subject: 'dead.deadly', attempts: 1 },
          onEnd: () => void die(),
        },
      )
    }
    die()
    const { value } = await dead.next()
    expect(attempts).toEqual([1, 2])
    expect(value?.headers.get('Spanwire-Dead-Error')).toMatch(/^Delivered 2 times/)
    await bus.close()
  })

  it('needs only the documented permissions, and names a missing one', async () => {
    const { bus } = await begin()
    const api = '$JS.API.CONSUMER'
    const allow = [`${api}.INFO.JOBS.w`, `${api}.DURABLE.CREATE.JOBS.w`, `${api}.MSG.NEXT.JOBS.w`, '$JS.ACK.JOBS.w.>']
    const token = await createToken({ pub: { allow } })
    const edge = webSocket({ url: bridge.url, token })
    const handled: number[] = []
    const worker = consume({ events, connection: edge }, 'jobs.{id}', (e) => void handled.push(e.data.n), {
      consumer: 'w',
    })
    await bus.publish('jobs.{id}', { id: '1' }, { n: 1 })
    await eventually(() => handled.length === 1)
    await worker.drain()
    for (const missing of [0, 1, 2]) {
      const less = await createToken({ pub: { allow: allow.filter((_, index) => index !== missing) } })
      const poor = webSocket({ url: bridge.url, token: less })
      const ends: unknown[] = []
      const one = consume({ events, connection: poor }, 'jobs.{id}', () => {}, {
        consumer: 'w',
        onEnd: (error) => ends.push(error),
        ackWait: 2_000 + missing,
      })
      one.ready.catch(() => {})
      await eventually(() => ends.length === 1)
      expect(ends[0]).toMatchObject({ code: 'permission-denied' })
      await poor.close()
    }
    await edge.close()
    await bus.close()
  })
})
