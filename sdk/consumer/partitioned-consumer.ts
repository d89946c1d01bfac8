import { JetStreamApi } from '../jetstream/api.ts'
import { isLasting } from '../jetstream/lasting.ts'
import { createBackoff } from '../kit/backoff.ts'
import { createDeferred } from '../kit/deferred.ts'
import { guard } from '../kit/guard.ts'
import { isError } from '../kit/kinds.ts'
import { pause } from '../kit/pause.ts'
import type { Transport } from '../transport/transport.ts'
import { transportLink } from '../transport/transport-link.ts'
import { isSpanwireError, SpanwireError } from '../wire/errors.ts'
import { type Consumer, type ConsumerLag, DurableConsumer, drainedEarly } from './durable-consumer.ts'
import type { Callbacks, Work } from './handling.ts'
import { PartitionGroup } from './partition-group.ts'
import { PartitionStream } from './partition-stream.ts'
import { type Generation, type PartitionedEvents, partitionsOf } from './partition-subjects.ts'
import { unpin } from './priority-group.ts'
import { Slots } from './slots.ts'

/** Interval of checks of the stream while the number of partitions changes, in ms. */
const TICK = 500
/** Number of these intervals between two checks at other times. */
const TICKS = 20

/** Handles the events of the partitions of this process. Other processes have the other partitions. */
export class PartitionedConsumer implements Consumer {
  readonly ready: Promise<void>
  readonly #transport: Transport
  readonly #api: JetStreamApi
  readonly #stream: PartitionStream
  readonly #work: Work
  readonly #callbacks: Callbacks
  readonly #slots: Slots
  readonly #parts = new Map<number, DurableConsumer>()
  /** Resolved when this process has its first share of the partitions. */
  readonly #share = createDeferred<void>()
  #generations: readonly Generation[] = []
  #group: PartitionGroup | undefined
  #draining: Promise<void> | undefined
  /** The check that is underway. */
  #checking: Promise<void> | undefined
  #tick: ReturnType<typeof setInterval> | undefined
  #ticks = 0
  #stopped = false
  #paused = false

  constructor(transport: Transport, work: Work, callbacks: Callbacks, events: PartitionedEvents) {
    this.#transport = transport
    this.#api = new JetStreamApi(transportLink(transport))
    this.#stream = new PartitionStream(this.#api, events)
    this.#work = work
    this.#callbacks = callbacks
    this.#slots = new Slots(work.settings.concurrency)
    this.ready = this.#start()
    this.ready.catch(() => {})
    this.#share.promise.catch(() => {})
  }

  get isPaused(): boolean {
    return this.#paused
  }

  async pause(): Promise<void> {
    this.#paused = true
    this.#share.resolve()
    this.#leave()
    await Promise.all([...this.#parts.values()].map((part) => part.pause()))
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    if (this.#generations.length > 0) this.#join()
  }

  async lag(): Promise<ConsumerLag> {
    const state = await this.#api.streamState(this.#stream.name)
    if (!state) throw new SpanwireError('stream-not-found', `The stream ${this.#stream.name} does not exist.`)
    const queues = (await this.#stream.generations()).flatMap((generation) =>
      partitionsOf(generation).map((partition) => this.#stream.queue(generation, partition)),
    )
    const lags = await Promise.all(queues.map(({ stream, consumer }) => this.#api.consumerLag(stream, consumer)))
    const sum = (field: keyof ConsumerLag) => lags.reduce((all, one) => all + (one?.[field] ?? 0), 0)
    return {
      pending: state.sourceLag + sum('pending'),
      unacknowledged: sum('unacknowledged'),
      redelivered: sum('redelivered'),
    }
  }

  drain(): Promise<void> {
    this.#draining ??= this.#end()
    return this.#draining
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.drain()
  }

  async #start(): Promise<void> {
    const backoff = createBackoff({ first: 500, longest: 5_000 })
    for (;;) {
      try {
        if (this.#stopped) throw drainedEarly()
        await this.#stream.ensure()
        this.#generations = await this.#stream.generations()
        break
      } catch (error) {
        if (isLasting(error) || !isSpanwireError(error))
          throw this.#ended(isError(error) ? error : new Error(`${error}`))
      }
      await pause(backoff.next())
    }
    if (this.#stopped) throw drainedEarly()
    this.#tick = setInterval(() => {
      if (this.#generations.length > 1 || ++this.#ticks % TICKS === 0) void this.#check()
    }, TICK)
    this.#join()
    await this.#share.promise
  }

  /** Takes a share of the partitions. */
  #join(): void {
    this.#leave()
    const [generation] = this.#generations
    if (!generation || this.#stopped || this.#paused) return
    this.#group = new PartitionGroup(this.#transport, {
      subject: this.#stream.groupSubject(generation),
      count: generation.count,
      ackWait: this.#work.settings.ackWait,
      changed: (own, crashed) => {
        this.#take(generation, own, crashed)
        this.#share.resolve()
      },
      recounted: () => void this.#check(),
      ended: (error) => void this.#ended(error),
    })
  }

  #leave(): void {
    this.#group?.leave()
    this.#group = undefined
  }

  #take(generation: Generation, own: readonly number[], crashed: ReadonlySet<number>): void {
    for (const [partition, part] of this.#parts) if (!own.includes(partition)) part.pause().catch(() => {})
    for (const partition of own) {
      const queue = this.#stream.queue(generation, partition)
      const part = this.#parts.get(partition)
      if (crashed.has(partition)) unpin(this.#api.link, queue.stream, queue.consumer)
      if (part) part.resume()
      else {
        const callbacks = { ...this.#callbacks, onEnd: (error: Error) => void this.#ended(error) }
        this.#parts.set(
          partition,
          new DurableConsumer(this.#transport, this.#work, callbacks, { queue, slots: this.#slots }),
        )
      }
    }
  }

  /** Reads the generations, and removes events that are done. Failed attempts are repeated at the next interval. */
  async #readStream(): Promise<void> {
    if (this.#transport.status.state !== 'open') return
    try {
      const [first, ...others] = await this.#stream.generations()
      if (first) await this.#advance([first, ...others])
      if (first && others.length === 0 && this.#group?.isFirst) await this.#stream.prune(first)
    } catch (error) {
      if (isLasting(error)) this.#ended(error)
    }
  }

  #check(): Promise<void> {
    this.#checking ??= this.#readStream().finally(() => {
      this.#checking = undefined
    })
    return this.#checking
  }

  async #advance(generations: readonly [Generation, ...Generation[]]): Promise<void> {
    const [before] = this.#generations
    this.#generations = generations
    const [first] = generations
    if (before?.number === first.number || this.#stopped) return
    this.#leave()
    const parts = [...this.#parts.values()]
    this.#parts.clear()
    await Promise.all(parts.map((part) => part.drain()))
    this.#stream.checkCount(first)
    this.#join()
  }

  #ended(error: Error): Error {
    if (this.#stopped) return error
    this.#share.reject(error)
    this.drain().catch(() => {})
    guard(this.#callbacks.onEnd, (cause) => console.error('spanwire: onEnd threw', cause), [error])
    return error
  }

  async #end(): Promise<void> {
    this.#stopped = true
    this.#share.reject(drainedEarly())
    clearInterval(this.#tick)
    this.#leave()
    await Promise.all([...this.#parts.values()].map((part) => part.drain()))
  }
}
