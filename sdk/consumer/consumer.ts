import { ReceivedEvent } from '../bus/received-event.ts'
import type { ContractEvent } from '../contract/contract.ts'
import { validate } from '../contract/validate.ts'
import { isSpanwireError, SpanwireError } from '../errors.ts'
import { guard } from '../guard.ts'
import { JetStreamApi } from '../jetstream/api.ts'
import { isLasting } from '../jetstream/lasting.ts'
import { transportLink } from '../jetstream/transport-link.ts'
import type { Transport } from '../transport/transport.ts'
import { type Acknowledgement, holdDelivery } from './acknowledgement.ts'
import { buryEvent } from './dead-letter.ts'
import { ensureConsumer } from './durable.ts'
import type { DeliveryInfo, Settings } from './options.ts'
import { Pull, type Pulled } from './pull.ts'

/** Between attempts to reach JetStream, in ms. */
const PAUSE = 1_000
/** An event that was delivered so many times as often as it may fail ends the processes that handle it. */
const DEADLY = 2

/** What an application wants of its events. */
export interface Callbacks {
  readonly handler: (event: ReceivedEvent, delivery: DeliveryInfo) => unknown
  readonly onError: (error: unknown, event: ReceivedEvent, delivery: DeliveryInfo) => void
  readonly onEnd: (error: Error) => void
}

/** An event that this process has, and hasn't acknowledged. */
interface Held {
  readonly pulled: Pulled
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
  readonly #event: ContractEvent
  readonly #stream: string
  readonly #settings: Settings
  readonly #callbacks: Callbacks
  #pull: Pull | undefined
  readonly #waiting: Held[] = []
  /** Handlers, and what JetStream is still to be told. */
  readonly #work = new Set<Promise<void>>()
  #running = 0
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
    this.#event = event
    this.#stream = stream
    this.#settings = settings
    this.#callbacks = callbacks
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

  async #start(filter: string): Promise<void> {
    const { consumer, concurrency } = this.#settings
    try {
      const api = new JetStreamApi(transportLink(this.#transport))
      await this.#ensure(api, filter)
      if (this.#stopped) throw drainedEarly()
      this.#pull = new Pull(this.#transport, api, this.#stream, consumer, {
        room: () => concurrency - this.#running - this.#waiting.length,
        message: (pulled) => this.#take(pulled),
        gone: (error) => this.#ended(error),
      })
      await this.#pull.ready
      this.#pull.fill()
    } catch (error) {
      throw this.#ended(error as Error)
    }
  }

  async #ensure(api: JetStreamApi, filter: string): Promise<void> {
    const { consumer: name, from, ackWait, ordered } = this.#settings
    while (!this.#stopped) {
      try {
        return await ensureConsumer(api, { stream: this.#stream, name, filter, from, ackWait, ordered })
      } catch (error) {
        if (isLasting(error)) throw error
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE))
    }
    throw drainedEarly()
  }

  #ended(error: Error): Error {
    if (!this.#stopped) {
      this.#leave()
      guard(this.#callbacks.onEnd, (cause) => console.error('spanwire: onEnd threw', cause), [error])
    }
    return error
  }

  async #drain(): Promise<void> {
    this.#leave()
    await this.#pull?.stop()
    while (this.#work.size > 0) await Promise.all(this.#work)
  }

  /** Begins nothing more. */
  #leave(): void {
    this.#stopped = true
    for (const held of this.#waiting.splice(0)) this.#giveBack(held)
  }

  #take(pulled: Pulled): void {
    const held = { pulled, acknowledgement: holdDelivery(this.#transport, pulled.ackTo, this.#settings.ackWait) }
    if (this.#stopped) return this.#giveBack(held)
    this.#waiting.push(held)
    this.#next()
  }

  #giveBack({ acknowledgement }: Held): void {
    this.#track(acknowledgement.again(0))
  }

  #next(): void {
    while (this.#running < this.#settings.concurrency) {
      const held = this.#waiting.shift()
      if (!held) return
      this.#running++
      this.#track(
        this.#run(held, () => {
          this.#running--
          this.#next()
          this.#pull?.fill()
        }),
      )
    }
  }

  /** @param free called when the handler has ended: what is told of it needs no room */
  async #run({ pulled, acknowledgement }: Held, free: () => void): Promise<void> {
    const { message, delivered } = pulled
    const { codec, schema } = this.#event
    const { backoff, deadLetter } = this.#settings
    let failure: Failure | undefined
    try {
      if (deadLetter && delivered > DEADLY * deadLetter.attempts) throw deadly(delivered)
      let data: unknown
      try {
        data = codec.decode(message.payload)
        data = await validate(schema, data, message.subject)
      } catch (error) {
        throw new Unreadable(error, data)
      }
      await this.#callbacks.handler(new ReceivedEvent(this.#event, message, data), { attempt: delivered })
    } catch (error) {
      failure = error instanceof Unreadable ? error : { error }
    }
    free()
    if (!failure) return acknowledgement.done()
    const event = new ReceivedEvent(this.#event, message, failure.data)
    this.#report(failure.error, event, delivered)
    if (await this.#bury(pulled, failure, event)) return acknowledgement.done()
    return acknowledgement.again(backoff[Math.min(delivered, backoff.length) - 1] ?? 0)
  }

  /** Whether the event is out of the way. */
  async #bury({ message, delivered }: Pulled, failure: Failure, event: ReceivedEvent): Promise<boolean> {
    const { deadLetter, consumer } = this.#settings
    if (!deadLetter || (delivered < deadLetter.attempts && !(failure instanceof Unreadable))) return false
    try {
      const why = { stream: this.#stream, consumer, attempts: delivered, error: failure.error }
      await buryEvent(this.#transport, deadLetter.subject, message, why)
      return true
    } catch (cause) {
      this.#report(cause, event, delivered)
      return false
    }
  }

  #report(error: unknown, event: ReceivedEvent, attempt: number): void {
    guard(this.#callbacks.onError, (cause) => console.error('spanwire: onError threw', cause), [
      error,
      event,
      { attempt },
    ])
  }

  #track(work: Promise<void>): void {
    const tracked = work.catch(() => {}).finally(() => this.#work.delete(tracked))
    this.#work.add(tracked)
  }
}

interface Failure {
  readonly error: unknown
  readonly data?: unknown
}

/** An event whose data can't be read. */
class Unreadable implements Failure {
  readonly error: unknown
  /** As far as it was decoded. */
  readonly data: unknown

  constructor(cause: unknown, data: unknown) {
    this.error = isSpanwireError(cause)
      ? cause
      : new SpanwireError('invalid-data', "The event's data can't be read.", { cause })
    this.data = data
  }
}

function drainedEarly(): SpanwireError {
  return new SpanwireError('connection-closed', 'This consumer was drained before it was ready.')
}

function deadly(delivered: number): Error {
  return new Error(`Delivered ${delivered - 1} times, and nobody lived to say what came of it.`)
}
