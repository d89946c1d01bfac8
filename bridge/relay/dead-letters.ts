/** Dead letters: messages that cannot be relayed, with their unchanged payload and the reason. */
import { publishAcked } from '../../sdk/bus/publish-acked.ts'
import type { JetStreamApi } from '../../sdk/jetstream/api.ts'
import { randomToken } from '../../sdk/kit/ids.ts'
import type { Transport } from '../../sdk/transport/transport.ts'
import { isSpanwireError, SpanwireError } from '../../sdk/wire/errors.ts'
import { ID_HEADER } from '../../sdk/wire/header-names.ts'
import type { HeaderFields } from '../../sdk/wire/headers.ts'
import { FOREIGN_ID_HEADER } from './copied-headers.ts'
import type { RelayDeadLetter } from './declare.ts'
import type { ForeignSink } from './foreign.ts'
import { percent } from './key-codings.ts'
import { createRelayBackoff, pauseFor } from './retry.ts'

/** A message that cannot be relayed. */
export interface DeadMessage {
  /** The same for each repetition. Undefined if the message has none. */
  readonly id: string | undefined
  /** The place of its origin. */
  readonly place: string
  /** The lane or subject. */
  readonly lane: string
  /** Offset of Kafka, or sequence of the stream. */
  readonly position: number | undefined
  /** Key of Kafka, routing key of RabbitMQ. */
  readonly key: Uint8Array | undefined
  /** All headers of the message. */
  readonly headers: HeaderFields
  /** Null for a tombstone. */
  readonly payload: Uint8Array | null
  /** In ms since 1970. */
  readonly time: number
  /** The reason. */
  readonly error: SpanwireError
}

/** The longest text of an error, in characters. */
const LONGEST_TEXT = 300
/** The longest list of the headers of a message, in characters. */
const LONGEST_HEADERS = 8_192
/** The time for one attempt, in ms. */
const TIMEOUT = 20_000

/** The dead letter of one relay. */
export class DeadLetters {
  readonly #transport: Transport
  readonly #relay: string
  readonly #target: RelayDeadLetter
  #sink: ForeignSink | undefined

  constructor(transport: Transport, relay: string, target: RelayDeadLetter) {
    this.#transport = transport
    this.#relay = relay
    this.#target = target
  }

  /** Checks that a stream keeps the subject. @throws SpanwireError (as rejection) `stream-not-found` */
  async check(api: JetStreamApi): Promise<void> {
    if (typeof this.#target !== 'string' || (await api.findStream(this.#target))) return
    throw new SpanwireError(
      'stream-not-found',
      `deadLetter: no stream keeps ${this.#target}. Name the subject in a stream, or use a topic or queue.`,
    )
  }

  /**
   * Resolves when the dead letter has stored the message. Tries again while it is unavailable.
   * @param waiting called with the reason before each further attempt
   * @throws SpanwireError for a message that the dead letter refuses, and `aborted`
   */
  async bury(dead: DeadMessage, signal: AbortSignal, waiting: (error: SpanwireError) => void): Promise<void> {
    const backoff = createRelayBackoff()
    for (;;) {
      try {
        if (typeof this.#target === 'string') return await this.#publish(this.#target, dead, signal)
        this.#sink ??= await this.#target.openSink()
        const { key, time, payload } = dead
        const headers = [...dead.headers.filter(([name]) => !/^spanwire-/i.test(name)), ...this.#reasons(dead)]
        const id = dead.id ?? randomToken(20)
        return await this.#sink.send({
          id,
          key,
          headers: [[FOREIGN_ID_HEADER, id], ...headers],
          time,
          payload,
          contentType: 'application/octet-stream',
        })
      } catch (cause) {
        const error = isSpanwireError(cause) ? cause : new SpanwireError('broker-unavailable', String(cause), { cause })
        if (isFinal(error)) throw error
        await this.close()
        waiting(error)
      }
      await pauseFor(backoff, signal)
    }
  }

  /** Closes the connection of the dead letter, if there is one. Never rejects. */
  async close(): Promise<void> {
    const sink = this.#sink
    this.#sink = undefined
    await sink?.close()
  }

  async #publish(subject: string, dead: DeadMessage, signal: AbortSignal): Promise<void> {
    const { id, headers: given } = dead
    const text = encodeURIComponent(JSON.stringify(given).toWellFormed())
    const own = id === undefined ? undefined : `dead.${this.#relay}.${encodeURIComponent(id)}`
    const headers: HeaderFields = [
      ...(own === undefined ? [] : [[ID_HEADER, own] as const]),
      ...this.#reasons(dead),
      ...(text.length <= LONGEST_HEADERS ? [['Spanwire-Dead-Headers', text] as const] : []),
      ...(dead.payload === null ? [['Spanwire-Dead-Tombstone', 'true'] as const] : []),
    ]
    const options = { timeout: TIMEOUT, signal, ...(own !== undefined && { id: own }) }
    await publishAcked(this.#transport, { subject, payload: dead.payload ?? new Uint8Array(), headers }, options)
  }

  #reasons({ place, lane, position, key, error }: DeadMessage): HeaderFields {
    return [
      ['Spanwire-Dead-Relay', this.#relay],
      ['Spanwire-Dead-Place', place],
      ['Spanwire-Dead-Lane', percent.encode(lane)],
      ...(position === undefined ? [] : [['Spanwire-Dead-Position', String(position)] as const]),
      ...(key === undefined ? [] : [['Spanwire-Dead-Key', percent.encode(key)] as const]),
      ['Spanwire-Dead-Code', error.code],
      ['Spanwire-Dead-Error', error.message.replaceAll(/[\0\t\n\r ]+/g, ' ').slice(0, LONGEST_TEXT)],
    ]
  }
}

/** Whether another attempt would have the same result. */
function isFinal({ code }: SpanwireError): boolean {
  return [
    'payload-too-large',
    'broker-refused',
    'invalid-header',
    'permission-denied',
    'aborted',
    'stream-not-found',
    'connection-closed',
  ].includes(code)
}
