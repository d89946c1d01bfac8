import type { ContractEvent } from '../contract/contract.ts'
import { ReceivedEvent } from '../contract/received-event.ts'
import { validate } from '../contract/validate.ts'
import type { StoredMessage } from '../jetstream/link.ts'
import { guard } from '../kit/guard.ts'
import type { Transport } from '../transport/transport.ts'
import { isSpanwireError, SpanwireError } from '../wire/errors.ts'
import { buryEvent, type Obituary } from './dead-letter.ts'
import type { DeliveryInfo, Settings } from './options.ts'

/** An event that was delivered so many times as often as it may fail ends the processes that handle it. */
const DEADLY = 2
/** So often an event may have been given back untouched by one process after the other, which counts as a delivery, too. */
const HANDED_ON = 20

/** What an application wants of its events. */
export interface Callbacks {
  readonly handler: (event: ReceivedEvent, delivery: DeliveryInfo) => unknown
  readonly onError: (error: unknown, event: ReceivedEvent, delivery: DeliveryInfo) => void
  readonly onEnd: (error: Error) => void
}

/** How an event fared until now. */
export interface Tries {
  /** How often it was delivered, or tried again here, this time included. */
  readonly attempt: number
  /** How often it failed, as far as that is known: where it waits for its turn, a delivery is no attempt. */
  readonly failures: number
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
  async handle(message: StoredMessage, { attempt, failures }: Tries, ended: () => void): Promise<Outcome> {
    const { codec, schema } = this.#event
    const { backoff, deadLetter, order } = this.#settings
    let failure: Failure | undefined
    try {
      const handedOn = order === 'by-lane' ? HANDED_ON : 0
      if (deadLetter && attempt > DEADLY * deadLetter.attempts + handedOn) throw new Deadly(attempt)
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
    const failed = failures + 1
    this.#report(failure.error, event, attempt)
    const isHopeless = failure instanceof Unreadable || failure.error instanceof Deadly
    if (deadLetter && (isHopeless || failed >= deadLetter.attempts)) {
      const why = { attempts: attempt, error: failure.error }
      if (await this.#bury(message, deadLetter.subject, why, event)) return 'done'
    }
    return { again: backoff[Math.min(failed, backoff.length) - 1] ?? 0 }
  }

  /** Whether the event is out of the way. */
  async #bury(
    message: StoredMessage,
    subject: string,
    why: Pick<Obituary, 'attempts' | 'error'>,
    event: ReceivedEvent,
  ): Promise<boolean> {
    try {
      const { consumer } = this.#settings
      await buryEvent(this.#transport, subject, message, { stream: this.#stream, consumer, ...why })
      return true
    } catch (cause) {
      this.#report(cause, event, why.attempts)
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

/** An event whose processes die. */
class Deadly extends Error {
  constructor(attempt: number) {
    super(`Delivered ${attempt - 1} times, and nobody lived to say what came of it.`)
  }
}
