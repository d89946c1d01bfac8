import { ReceivedEvent } from '../bus/received-event.ts'
import type { ContractEvent } from '../contract/contract.ts'
import { validate } from '../contract/validate.ts'
import { isSpanwireError, SpanwireError } from '../errors.ts'
import { guard } from '../guard.ts'
import type { StoredMessage } from '../jetstream/link.ts'
import type { Transport } from '../transport/transport.ts'
import { buryEvent } from './dead-letter.ts'
import type { DeliveryInfo, Settings } from './options.ts'

/** An event that was delivered so many times as often as it may fail ends the processes that handle it. */
const DEADLY = 2

/** What an application wants of its events. */
export interface Callbacks {
  readonly handler: (event: ReceivedEvent, delivery: DeliveryInfo) => unknown
  readonly onError: (error: unknown, event: ReceivedEvent, delivery: DeliveryInfo) => void
  readonly onEnd: (error: Error) => void
}

/** What is to become of an event: it is done with, or tried again after so many ms. */
export type Outcome = 'done' | { readonly again: number }

/** Has one event after the other handled, and put aside what can't be. */
export class Handling {
  readonly #transport: Transport
  readonly #event: ContractEvent
  readonly #stream: string
  readonly #settings: Settings
  readonly #callbacks: Callbacks

  constructor(transport: Transport, event: ContractEvent, stream: string, settings: Settings, callbacks: Callbacks) {
    this.#transport = transport
    this.#event = event
    this.#stream = stream
    this.#settings = settings
    this.#callbacks = callbacks
  }

  /** Never rejects. @param ended called when the handler has ended: another may begin while the rest is done */
  async handle(message: StoredMessage, attempt: number, ended: () => void): Promise<Outcome> {
    const { codec, schema } = this.#event
    const { backoff, deadLetter } = this.#settings
    let failure: Failure | undefined
    try {
      if (deadLetter && attempt > DEADLY * deadLetter.attempts) throw deadly(attempt)
      let data: unknown
      try {
        data = codec.decode(message.payload)
        data = await validate(schema, data, message.subject)
      } catch (error) {
        throw new Unreadable(error, data)
      }
      await this.#callbacks.handler(new ReceivedEvent(this.#event, message, data), { attempt })
    } catch (error) {
      failure = error instanceof Unreadable ? error : { error }
    }
    ended()
    if (!failure) return 'done'
    const event = new ReceivedEvent(this.#event, message, failure.data)
    this.#report(failure.error, event, attempt)
    if (await this.#bury(message, attempt, failure, event)) return 'done'
    return { again: backoff[Math.min(attempt, backoff.length) - 1] ?? 0 }
  }

  /** Whether the event is out of the way. */
  async #bury(message: StoredMessage, attempt: number, failure: Failure, event: ReceivedEvent): Promise<boolean> {
    const { deadLetter, consumer } = this.#settings
    if (!deadLetter || (attempt < deadLetter.attempts && !(failure instanceof Unreadable))) return false
    try {
      const why = { stream: this.#stream, consumer, attempts: attempt, error: failure.error }
      await buryEvent(this.#transport, deadLetter.subject, message, why)
      return true
    } catch (cause) {
      this.#report(cause, event, attempt)
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

function deadly(attempt: number): Error {
  return new Error(`Delivered ${attempt - 1} times, and nobody lived to say what came of it.`)
}
