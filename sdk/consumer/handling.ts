import { publishAcked } from '../bus/publish-acked.ts'
import type { ContractEvent } from '../contract/contract.ts'
import { ReceivedEvent } from '../contract/received-event.ts'
import { removalOf } from '../contract/removal.ts'
import { isSchedule } from '../contract/schedule.ts'
import { validateVersion } from '../contract/versions.ts'
import type { StoredMessage } from '../jetstream/jetstream-link.ts'
import { guard } from '../kit/guard.ts'
import { isError } from '../kit/kinds.ts'
import type { Transport } from '../transport/transport.ts'
import { decode } from '../wire/bytes.ts'
import { isSpanwireError, SpanwireError } from '../wire/errors.ts'
import { readFields } from '../wire/header-fields.ts'
import { ID_HEADER, VERSION_HEADER } from '../wire/header-names.ts'
import type { HeaderFields } from '../wire/headers.ts'
import type { DeliveryInfo, Settings } from './options.ts'

/** An event is a dead letter after this multiple of `attempts` deliveries, because its processes crash. */
const DEADLY = 2
/** Deliveries that are not counted with order by lane: draining processes return events without an attempt. */
const HANDED_ON = 20
/** Longest error text, in characters. */
const LONGEST_TEXT = 300
/** Time for all attempts to publish, in ms. The delivery is held in the meantime. */
const TIMEOUT = 20_000
/** Headers of the original publish, such as expectations and the version of its schema. They are not copied. */
const OWN = /^(nats-|spanwire-dead-|spanwire-version$)/i

/** The work of a consumer. */
export interface Work {
  /** Returns the event of a subject. */
  find(subject: string): ContractEvent
  /** Name of the stream. */
  readonly stream: string
  /** Subject filter, or a list of them. */
  readonly filter: string
  readonly settings: Settings
}

/** Functions of the application. */
export interface Callbacks {
  readonly handler: (event: ReceivedEvent, delivery: DeliveryInfo) => unknown
  readonly onError: (error: unknown, event: ReceivedEvent, delivery: DeliveryInfo) => void
  readonly onEnd: (error: Error) => void
}

/** Earlier attempts of an event. */
export interface Tries {
  /** Number of deliveries and of repetitions in this process, including this one. */
  readonly attempt: number
  /** Number of known failures. With order by lane, a delivery is not an attempt. */
  readonly failures: number
}

/** Result of an attempt: the event is done, or begins again after a delay in ms. */
export type Outcome = 'done' | { readonly again: number }

/** Calls the handler with events, and publishes dead letters. */
export class Handling {
  readonly #transport: Transport
  readonly #work: Work
  readonly #callbacks: Callbacks

  constructor(transport: Transport, work: Work, callbacks: Callbacks) {
    this.#transport = transport
    this.#work = work
    this.#callbacks = callbacks
  }

  /** Never rejects. @param ended called when the handler has ended: another event may begin */
  async handle(message: StoredMessage, { attempt, failures }: Tries, ended: () => void): Promise<Outcome> {
    const { backoff, deadLetter, quarantine } = this.#work.settings
    const event = this.#work.find(message.subject)
    const failure = await this.#attempt(message, attempt)
    ended()
    if (!failure) return 'done'
    const failed = failures + 1
    const received = new ReceivedEvent(event, message, failure.data)
    this.#report(failure.error, received, attempt)
    const isDead = deadLetter && (failure.isHopeless || failed >= deadLetter.attempts)
    const subject = (failure.isInvalid && quarantine) || (isDead && deadLetter.subject)
    if (subject) {
      const why = { attempts: attempt, error: failure.error }
      if (await this.#publishDeadLetter(message, subject, why, received)) return 'done'
    }
    return { again: backoff[Math.min(failed, backoff.length) - 1] ?? 0 }
  }

  /** Returns the failure of an attempt. Undefined if it succeeded. */
  async #attempt(message: StoredMessage, attempt: number): Promise<Failure | undefined> {
    const { deadLetter, order } = this.#work.settings
    // Schedules and markers of a removal are not events.
    if (isSchedule(message.subject) || (!message.payload.length && removalOf(message))) return undefined
    const event = this.#work.find(message.subject)
    const handedOn = order === 'by-lane' ? HANDED_ON : 0
    if (deadLetter && attempt > DEADLY * deadLetter.attempts + handedOn)
      return { error: new Error(`Delivered ${attempt - 1} times without an acknowledgement.`), isHopeless: true }
    let data: unknown
    try {
      data = event.codec.decode(message.payload)
      const block = message.headerBlock && decode(message.headerBlock)
      data = await validateVersion(event, data, block, message.subject)
    } catch (cause) {
      const error = isSpanwireError(cause)
        ? cause
        : new SpanwireError('invalid-data', `The data of ${message.subject} can't be decoded.`, { cause })
      return { error, data, isHopeless: true, isInvalid: true }
    }
    try {
      await this.#callbacks.handler(new ReceivedEvent(event, message, data), { attempt })
      return undefined
    } catch (error) {
      return { error, isHopeless: false }
    }
  }

  /** Returns whether the dead letter was stored. */
  async #publishDeadLetter(
    message: StoredMessage,
    subject: string,
    why: Pick<Origin, 'attempts' | 'error'>,
    received: ReceivedEvent,
  ): Promise<boolean> {
    try {
      const { stream, settings } = this.#work
      await publishDeadLetter(this.#transport, subject, message, { stream, consumer: settings.consumer, ...why })
      return true
    } catch (cause) {
      this.#report(cause, received, why.attempts)
      return false
    }
  }

  #report(error: unknown, received: ReceivedEvent, attempt: number): void {
    guard(this.#callbacks.onError, (cause) => console.error('spanwire: onError threw', cause), [
      error,
      received,
      { attempt },
    ])
  }
}

/** A failed attempt. */
interface Failure {
  readonly error: unknown
  /** Decoded data of an event that is not valid. */
  readonly data?: unknown
  /** Further attempts have no effect. */
  readonly isHopeless: boolean
  /** The event cannot be decoded or upgraded, or the schema refuses it. */
  readonly isInvalid?: boolean
}

/** Origin and reason of a dead letter. */
interface Origin {
  /** Name of the stream. */
  readonly stream: string
  /** Name of the consumer. */
  readonly consumer: string
  /** Number of attempts. */
  readonly attempts: number
  /** The last error. */
  readonly error: unknown
}

/**
 * Publishes a dead letter: the payload and headers of the event, and headers `Spanwire-Dead-…`. Resolves when a stream has
 * stored it. The id prevents duplicates.
 * @throws SpanwireError (as rejection) the errors of {@link publishAcked}
 */
async function publishDeadLetter(
  transport: Transport,
  subject: string,
  message: StoredMessage,
  origin: Origin,
): Promise<void> {
  const { stream, consumer, attempts, error } = origin
  const text = isError(error) ? error.message : String(error)
  const fields = readFields(message.headerBlock)
  const find = (wanted: string) => fields.find(([name]) => name.toLowerCase() === wanted.toLowerCase())?.[1]
  const [id, version] = [find(ID_HEADER), find(VERSION_HEADER)]
  const headers: HeaderFields = [
    // Differs for each consumer, as several may publish the same event.
    [ID_HEADER, `dead.${stream}.${consumer}.${message.seq}`],
    ...fields.filter(([name]) => !OWN.test(name)),
    // The command `spanwire dead redrive` publishes the event with its own id.
    ...(id === undefined ? [] : [['Spanwire-Dead-Id', id] as const]),
    ...(version === undefined ? [] : [['Spanwire-Dead-Version', version] as const]),
    ['Spanwire-Dead-Subject', message.subject],
    ['Spanwire-Dead-Stream', stream],
    ['Spanwire-Dead-Sequence', String(message.seq)],
    ['Spanwire-Dead-Consumer', consumer],
    ['Spanwire-Dead-Attempts', String(attempts)],
    ...(isSpanwireError(error) ? [['Spanwire-Dead-Code', error.code] as const] : []),
    ['Spanwire-Dead-Error', text.replaceAll(/[\0\t\n\r ]+/g, ' ').slice(0, LONGEST_TEXT)],
  ]
  await publishAcked(transport, { subject, payload: message.payload, headers }, { timeout: TIMEOUT })
}
