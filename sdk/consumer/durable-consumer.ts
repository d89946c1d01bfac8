import type { ContractEvent } from '../contract/contract.ts'
import { JetStreamApi } from '../jetstream/api.ts'
import { isLasting } from '../jetstream/lasting.ts'
import type { StoredMessage } from '../jetstream/link.ts'
import { createBackoff } from '../kit/backoff.ts'
import { guard } from '../kit/guard.ts'
import { pause } from '../kit/pause.ts'
import type { Transport } from '../transport/transport.ts'
import { transportLink } from '../transport/transport-link.ts'
import { SpanwireError } from '../wire/errors.ts'
import { type Acknowledgement, holdDelivery } from './acknowledgement.ts'
import { ensureConsumer } from './ensure-consumer.ts'
import { type Callbacks, Handling, type Outcome } from './handling.ts'
import { Lanes } from './lanes.ts'
import { MOST_HELD, type Settings } from './options.ts'
import { Pull, type Pulled } from './pull.ts'

/** How often to look whether another process has let go, in ms. */
const LOOK_AGAIN = 250

/** An event that this process has, and hasn't acknowledged. */
interface Held {
  readonly message: StoredMessage
  readonly seq: number
  /** Events of a lane are handled one after the other. */
  readonly lane: string | number
  attempt: number
  failures: number
  readonly acknowledgement: Acknowledgement
}

/** A process's part in the work. */
export interface Consumer extends AsyncDisposable {
  /** Resolves when events can come. Rejects if they may not. Nobody needs to look at it. */
  readonly ready: Promise<void>
  /**
   * Takes nothing new; what has not begun goes to other processes. Resolves when all handlers have ended and JetStream
   * was told. The connection stays open. Idempotent.
   */
  drain(): Promise<void>
}

/** Takes the events of one durable consumer, so many at a time. */
export class DurableConsumer implements Consumer {
  readonly ready: Promise<void>
  readonly #transport: Transport
  readonly #api: JetStreamApi
  readonly #event: ContractEvent
  readonly #stream: string
  readonly #settings: Settings
  readonly #onEnd: Callbacks['onEnd']
  readonly #handling: Handling
  #pull: Pull | undefined
  readonly #waiting = new Lanes<Held>()
  /** Those that wait, and those whose handlers run, by sequence. */
  readonly #held = new Map<number, Held>()
  /** Handlers, and what JetStream is still to be told. */
  readonly #work = new Set<Promise<void>>()
  #running = 0
  /** Set while others may still have events that come before those which wait here. */
  #takeover: object | undefined
  #draining: Promise<void> | undefined
  #stopped = false

  constructor(
    transport: Transport,
    event: ContractEvent,
    stream: string,
    filter: string,
    settings: Settings,
    callbacks: Callbacks,
  ) {
    this.#transport = transport
    this.#api = new JetStreamApi(transportLink(transport))
    this.#event = event
    this.#stream = stream
    this.#settings = settings
    this.#onEnd = callbacks.onEnd
    this.#handling = new Handling(transport, event, stream, settings, callbacks)
    this.ready = this.#start(filter)
    this.ready.catch(() => {})
  }

  drain(): Promise<void> {
    this.#draining ??= this.#drain()
    return this.#draining
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.drain()
  }

  get #byLane(): boolean {
    return this.#settings.order === 'by-lane'
  }

  async #start(filter: string): Promise<void> {
    const { consumer, concurrency, ackWait } = this.#settings
    const target = { stream: this.#stream, consumer, ...(this.#byLane && { pinTimeout: ackWait }) }
    try {
      await this.#ensure(filter)
      if (this.#stopped) throw drainedEarly()
      this.#pull = new Pull(this.#transport, this.#api, target, {
        room: () => (this.#byLane ? MOST_HELD : concurrency) - this.#running - this.#waiting.size,
        message: (pulled) => this.#take(pulled),
        pinned: () => void this.#takeOver(),
        unpinned: () => this.#giveBack(),
        gone: (error) => this.#ended(error),
      })
      await this.#pull.ready
      this.#pull.fill()
    } catch (error) {
      throw this.#ended(error as Error)
    }
  }

  async #ensure(filter: string): Promise<void> {
    const { consumer: name, from, ackWait, order } = this.#settings
    const backoff = createBackoff({ first: 500, longest: 5_000 })
    while (!this.#stopped) {
      try {
        return await ensureConsumer(this.#api, { stream: this.#stream, name, filter, from, ackWait, order })
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
    // First, so that nothing of it comes back here.
    await this.#pull?.stop()
    this.#giveBack()
    while (this.#work.size > 0) await Promise.all(this.#work)
    this.#pull?.unpin()
  }

  /** What has not begun may begin elsewhere. */
  #giveBack(): void {
    for (const held of this.#waiting.clear()) {
      this.#held.delete(held.seq)
      this.#track(held.acknowledgement.again(0))
    }
  }

  #take({ message, delivered, ackTo }: Pulled): void {
    const { seq, subject } = message
    const known = this.#held.get(seq)
    if (known) return known.acknowledgement.renew()
    const acknowledgement = holdDelivery(this.#transport, ackTo, this.#settings.ackWait)
    if (this.#stopped) return this.#track(acknowledgement.again(0))
    const lane = this.#laneOf(seq, subject)
    // Where events wait for their turn, most that come again were given back untouched.
    const failures = this.#byLane ? 0 : delivered - 1
    const held = { message, seq, lane, attempt: delivered, failures, acknowledgement }
    this.#held.set(seq, held)
    this.#waiting.add(held)
    this.#next()
  }

  #laneOf(seq: number, subject: string): string | number {
    if (!this.#byLane) return seq
    const params = this.#event.template.params(subject)
    // No subject has a blank.
    return this.#settings.laneBy.map((name) => params[name]).join(' ')
  }

  #next(): void {
    while (this.#running < this.#settings.concurrency && !this.#takeover && !this.#stopped) {
      const held = this.#waiting.next()
      if (!held) return
      if (held.acknowledgement.isLost) this.#forget(held)
      else this.#begin(held)
    }
  }

  #begin(held: Held): void {
    this.#running++
    const ended = () => {
      this.#running--
      this.#held.delete(held.seq)
      this.#next()
      this.#pull?.fill()
    }
    this.#track(this.#handling.handle(held.message, held, ended).then((outcome) => this.#settle(held, outcome)))
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
    // It is on its way to somebody again: those behind it wait until that is over.
    if (isLost) void this.#takeOver()
    this.#next()
    return outcome === 'done' ? acknowledgement.done() : acknowledgement.again(outcome.again)
  }

  /** JetStream gives it to somebody again, and maybe what was taken after it. */
  #forget(held: Held): void {
    held.acknowledgement.drop()
    this.#held.delete(held.seq)
    this.#waiting.finish(held)
    if (this.#byLane) void this.#takeOver()
  }

  /**
   * Begins nothing as long as JetStream waits for the acknowledgement of an event that isn't here: it may come before one
   * that is. If its process lives it will say so; else JetStream gives it to this one.
   */
  async #takeOver(): Promise<void> {
    const own = {}
    this.#takeover = own
    const { consumer } = this.#settings
    while (this.#takeover === own && !this.#stopped) {
      const out = await this.#api.unacknowledged(this.#stream, consumer).catch(() => Number.POSITIVE_INFINITY)
      if (this.#takeover === own && out <= this.#held.size) this.#takeover = undefined
      else await pause(LOOK_AGAIN)
    }
    this.#next()
  }

  #track(work: Promise<void>): void {
    const tracked = work.catch(() => {}).finally(() => this.#work.delete(tracked))
    this.#work.add(tracked)
  }
}

function drainedEarly(): SpanwireError {
  return new SpanwireError('connection-closed', 'This consumer was drained before it was ready.')
}
