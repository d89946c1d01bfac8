import { JetStreamApi } from '../jetstream/api.ts'
import type { StoredMessage } from '../jetstream/jetstream-link.ts'
import { isLasting } from '../jetstream/lasting.ts'
import { createBackoff } from '../kit/backoff.ts'
import { guard } from '../kit/guard.ts'
import { isError } from '../kit/kinds.ts'
import { pause } from '../kit/pause.ts'
import { PendingWork } from '../kit/pending-work.ts'
import type { Transport } from '../transport/transport.ts'
import { transportLink } from '../transport/transport-link.ts'
import { SpanwireError } from '../wire/errors.ts'
import { type Acknowledgement, holdDelivery } from './acknowledgement.ts'
import { DoneEvents } from './done-events.ts'
import { ensureConsumer } from './ensure-consumer.ts'
import { type Callbacks, Handling, type Outcome, type Work } from './handling.ts'
import { Lanes } from './lanes.ts'
import { type ConsumerStart, MOST_HELD } from './options.ts'
import { Pull, type Pulled } from './pull.ts'
import { Slots } from './slots.ts'

/** First and longest interval of checks whether other processes still have unacknowledged events, in ms. */
const CHECKS = { first: 20, longest: 250 }

/** The consumer of JetStream that a process pulls from. */
export interface Queue {
  /** Name of the stream. */
  readonly stream: string
  /** Name of the consumer. */
  readonly consumer: string
  /** Subject filter, or a list of them. */
  readonly filter: string
  readonly from: ConsumerStart
  /** Number of events that a process holds, with order by lane. */
  readonly held: number
  /** Returns the event as its own stream has it, if the messages are copies. */
  restore?(message: StoredMessage): StoredMessage
}

/** Parts of a {@link DurableConsumer} that are not the default. */
export interface DurableConsumerParts {
  /** Default: the consumer that the settings name. */
  readonly queue?: Queue
  /** Handlers that run concurrently. Default: `concurrency` of the settings. */
  readonly slots?: Slots
}

/** An unacknowledged event of this process. */
interface Held {
  readonly message: StoredMessage
  readonly seq: number
  /** The sequence in the consumer's stream, which has copies of the events if there are partitions. */
  readonly copySeq: number
  /** Events of one lane are handled one after the other. */
  readonly lane: string | number
  attempt: number
  failures: number
  readonly acknowledgement: Acknowledgement
}

/** Events of a consumer that are not done, over all of its processes. */
export interface ConsumerLag {
  /** Number of events that were not delivered yet. JetStream estimates it. */
  readonly pending: number
  /** Number of events that were delivered and not acknowledged: their handlers run, or they wait for another attempt. */
  readonly unacknowledged: number
  /** Number of the unacknowledged events that were delivered more than once. */
  readonly redelivered: number
}

/** The part of one process in a consumer, as {@link consume} returns it. */
export interface Consumer extends AsyncDisposable {
  /** Resolves when events can be delivered. Rejects if they are refused. You do not have to handle its rejection. */
  readonly ready: Promise<void>
  /** Whether {@link pause} was called, and {@link resume} was not called after it. */
  readonly isPaused: boolean
  /**
   * Stops the delivery to this process. Events that have not begun are returned to JetStream, and other processes receive
   * them. Handlers that run continue. Resolves when no further event begins here. With `ordered` by params, another process
   * takes over. Idempotent.
   */
  pause(): Promise<void>
  /** Continues the delivery after {@link pause}. Without a pause it does nothing. */
  resume(): void
  /**
   * Queries the number of events that all processes of this consumer have not finished. Requires permission to publish to
   * `$JS.API.CONSUMER.INFO.<stream>.<consumer>`.
   * @throws SpanwireError (as rejection) `stream-not-found` if the consumer was deleted, `timeout`, `permission-denied`
   */
  lag(): Promise<ConsumerLag>
  /**
   * Ends the consumer in this process. Events that have not begun are returned to JetStream for other processes. Resolves
   * when all handlers have ended and their events are acknowledged. The connection stays open. Idempotent.
   */
  drain(): Promise<void>
}

/** Handles the events of one durable consumer, up to `concurrency` at a time. */
export class DurableConsumer implements Consumer {
  readonly ready: Promise<void>
  readonly #transport: Transport
  readonly #api: JetStreamApi
  readonly #work: Work
  readonly #queue: Queue
  readonly #slots: Slots
  readonly #onEnd: Callbacks['onEnd']
  readonly #handling: Handling
  #pull: Pull | undefined
  readonly #waiting = new Lanes<Held>()
  /** Events that wait or whose handlers run, by sequence. */
  readonly #held = new Map<number, Held>()
  readonly #done = new DoneEvents()
  /** Handlers and acknowledgements that are not settled. */
  readonly #underway = new PendingWork()
  #running = 0
  /** Set while other processes may have unacknowledged events that precede the waiting ones. */
  #takeover: object | undefined
  #draining: Promise<void> | undefined
  #stopped = false
  #paused = false
  /** The end of the last {@link pause} or {@link resume}: they take effect one after the other. */
  #switched: Promise<void> = Promise.resolve()

  constructor(transport: Transport, work: Work, callbacks: Callbacks, { queue, slots }: DurableConsumerParts = {}) {
    const { stream, filter, settings } = work
    const { consumer, from, concurrency } = settings
    this.#transport = transport
    this.#api = new JetStreamApi(transportLink(transport))
    this.#work = work
    this.#queue = queue ?? { stream, consumer, filter, from, held: MOST_HELD }
    this.#slots = slots ?? new Slots(concurrency)
    this.#onEnd = callbacks.onEnd
    this.#handling = new Handling(transport, work, callbacks)
    this.ready = this.#start()
    this.ready.catch(() => {})
  }

  drain(): Promise<void> {
    this.#draining ??= this.#drain()
    return this.#draining
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.drain()
  }

  get isPaused(): boolean {
    return this.#paused
  }

  pause(): Promise<void> {
    this.#paused = true
    return this.#switch()
  }

  resume(): void {
    this.#paused = false
    void this.#switch()
  }

  async lag(): Promise<ConsumerLag> {
    const { stream, consumer } = this.#queue
    const found = await this.#api.consumerLag(stream, consumer)
    if (found) return found
    throw new SpanwireError('stream-not-found', `The stream ${stream} has no consumer ${consumer}.`)
  }

  get #byLane(): boolean {
    return this.#work.settings.order === 'by-lane'
  }

  async #start(): Promise<void> {
    try {
      await this.#ensure()
      if (this.#stopped) throw drainedEarly()
      if (!this.#paused) await this.#open()
    } catch (error) {
      throw this.#ended(isError(error) ? error : new Error(String(error)))
    }
  }

  async #open(): Promise<void> {
    const { stream, consumer, held } = this.#queue
    const { concurrency, ackWait } = this.#work.settings
    const target = { stream, consumer, ...(this.#byLane && { pinTimeout: ackWait }) }
    this.#pull = new Pull(this.#transport, this.#api, target, {
      room: () => (this.#byLane ? held : concurrency) - this.#running - this.#waiting.size,
      message: (pulled) => this.#take(pulled),
      pinned: () => void this.#takeOver(),
      unpinned: () => this.#giveBack(),
      ended: (error) => this.#ended(error),
    })
    await this.#pull.ready
    this.#pull.fill()
  }

  /** Opens or ends the pull, so that it agrees with `isPaused`. */
  #switch(): Promise<void> {
    this.#switched = this.#switched.then(async () => {
      // A failed start has ended the consumer.
      await this.ready.catch(() => {})
      if (this.#stopped || this.#paused !== (this.#pull !== undefined)) return
      if (this.#paused) await this.#close()
      else await this.#open().catch((error) => void this.#ended(error))
    })
    return this.#switched
  }

  async #close(): Promise<void> {
    const pull = this.#pull
    this.#pull = undefined
    await this.#end(pull)
  }

  async #ensure(): Promise<void> {
    const { consumer: name, ...queue } = this.#queue
    const { ackWait, order } = this.#work.settings
    const backoff = createBackoff({ first: 500, longest: 5_000 })
    while (!this.#stopped) {
      try {
        return await ensureConsumer(this.#api, { ...queue, name, ackWait, order })
      } catch (error) {
        if (isLasting(error)) throw error
      }
      await pause(backoff.next())
    }
    throw drainedEarly()
  }

  #ended(error: Error): Error {
    if (!this.#stopped) {
      this.#stopped = true
      this.#giveBack()
      guard(this.#onEnd, (cause) => console.error('spanwire: onEnd threw', cause), [error])
    }
    return error
  }

  async #drain(): Promise<void> {
    this.#stopped = true
    await this.#end(this.#pull)
    await this.#underway.settled()
  }

  /** Ends a pull before its events are returned: otherwise this process would receive them again. */
  async #end(pull: Pull | undefined): Promise<void> {
    await pull?.stop()
    this.#giveBack()
  }

  /** Returns the events that have not begun, for other processes. */
  #giveBack(): void {
    for (const held of this.#waiting.clear()) {
      this.#held.delete(held.seq)
      this.#underway.add(held.acknowledgement.again(0))
    }
  }

  #take({ message: given, delivered, ackTo }: Pulled): void {
    const message = this.#queue.restore?.(given) ?? given
    const { seq, subject } = message
    const known = this.#held.get(seq)
    if (known) return known.acknowledgement.renew()
    const acknowledgement = holdDelivery(this.#transport, ackTo, this.#work.settings.ackWait)
    // The acknowledgement was lost, or JetStream sent this delivery before it arrived. A first delivery is on purpose.
    if (delivered > 1 && this.#done.has(message)) return this.#underway.add(acknowledgement.done())
    if (this.#stopped || this.#paused) return this.#underway.add(acknowledgement.again(0))
    const lane = this.#laneOf(seq, subject)
    // With order by lane, most repeated deliveries were returned without an attempt.
    const failures = this.#byLane ? 0 : delivered - 1
    const held = { message, seq, copySeq: given.seq, lane, attempt: delivered, failures, acknowledgement }
    this.#held.set(seq, held)
    this.#waiting.add(held)
    this.#next()
  }

  #laneOf(seq: number, subject: string): string | number {
    if (!this.#byLane) return seq
    const { find, settings } = this.#work
    const params = find(subject).template.params(subject)
    // Subjects have no blanks.
    return settings.laneBy.map((name) => params[name]).join(' ')
  }

  readonly #next = (): void => {
    while (this.#waiting.isReady && !this.#takeover && !this.#stopped && !this.#paused) {
      if (!this.#slots.take(this.#next)) return
      const held = this.#waiting.next()
      if (held && !held.acknowledgement.isLost) {
        this.#begin(held)
        continue
      }
      if (held) this.#forget(held)
      this.#slots.release()
    }
  }

  #begin(held: Held): void {
    this.#running++
    const ended = () => {
      this.#running--
      this.#held.delete(held.seq)
      this.#slots.release()
      this.#next()
      this.#pull?.fill()
    }
    this.#underway.add(this.#handling.handle(held.message, held, ended).then((outcome) => this.#settle(held, outcome)))
  }

  #settle(held: Held, outcome: Outcome): Promise<void> | undefined {
    const { acknowledgement } = held
    const isLost = this.#byLane && acknowledgement.isLost
    if (outcome !== 'done' && this.#pull?.isPinned && !this.#stopped && !isLost) {
      held.attempt++
      held.failures++
      this.#held.set(held.seq, held)
      this.#waiting.rest(held, outcome.again, () => this.#next())
      return undefined
    }
    this.#waiting.finish(held)
    // JetStream delivers it again. Events after it wait until that delivery is acknowledged.
    if (isLost) void this.#takeOver()
    this.#next()
    if (outcome !== 'done') return acknowledgement.again(outcome.again)
    this.#done.add(held.message)
    return acknowledgement.done()
  }

  /** Drops an event that JetStream delivers again. */
  #forget(held: Held): void {
    held.acknowledgement.drop()
    this.#held.delete(held.seq)
    this.#waiting.finish(held)
    if (this.#byLane) void this.#takeOver()
    this.#pull?.fill()
  }

  /**
   * Waits until JetStream has no unacknowledged delivery in other processes, because its event may precede the waiting ones.
   * Such a delivery is acknowledged by its process, or delivered to this process.
   */
  async #takeOver(): Promise<void> {
    const own = {}
    this.#takeover = own
    const { stream, consumer } = this.#queue
    const backoff = createBackoff(CHECKS)
    // The event that came with the pin is not held yet.
    await undefined
    while (this.#takeover === own && !this.#stopped) {
      // Events that arrive during the query may not be in its answer.
      const before = [...this.#held.values()]
      const progress = await this.#api.consumerProgress(stream, consumer).catch(() => undefined)
      // Up to the floor, all events are acknowledged: another process did it after the event was delivered to this one.
      const isKnown = (held: Held) => this.#held.get(held.seq) === held && held.copySeq > (progress?.floor ?? 0)
      const known = before.filter(isKnown).length
      if (this.#takeover === own && progress && progress.unacknowledged <= known) this.#takeover = undefined
      else await pause(backoff.next())
    }
    this.#next()
  }
}

/** The error of `ready` if the application drains the consumer before. */
export function drainedEarly(): SpanwireError {
  return new SpanwireError('connection-closed', 'This consumer was drained before it was ready.')
}
