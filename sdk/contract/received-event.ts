import type { TransportMessage } from '../transport/transport.ts'
import { decode } from '../wire/bytes.ts'
import { ID_HEADER, TIME_HEADER } from '../wire/header-names.ts'
import type { ContractEvent } from './contract.ts'
import { EventHeaders } from './event-headers.ts'
import type { RemovalReason } from './removal.ts'

/** A message with its position in a stream, if it came from one. */
export interface EventMessage extends TransportMessage {
  /** Name of the stream. */
  readonly stream?: string
  /** Sequence in the stream. */
  readonly seq?: number
  /** Whether it was delivered when it was published. False for an event from the past. */
  readonly live?: boolean
  /** Set if it is not an event, but marks a removal. */
  readonly removed?: RemovalReason | undefined
}

/** The headers of an event of Spanwire, which are parsed for each event. */
const OWN = /^NATS\/1\.0\r\nNats-Msg-Id: ([^\r]*)\r\nSpanwire-Time: (\d+)\r/

/**
 * An event as a subscriber receives it. It is plain data: all members but `payload` survive a spread, `JSON.stringify` and
 * a structured clone.
 */
export class ReceivedEvent<Name extends string = string, Params = Readonly<Record<string, string>>, Data = unknown> {
  /** The event's name in the contract: its subject template. */
  declare readonly name: Name
  /** The data, decoded and validated. */
  declare readonly data: Data
  /** The subject of the message. */
  declare readonly subject: string
  /** Values of the template's parameters. */
  declare readonly params: Params
  /** Unique id of the event. Without one of its publisher: stream and sequence, or empty without a stream. */
  declare readonly id: string
  /**
   * Time of publishing, in ms since 1970 by the publisher's clock. If the message does not contain it: the time when the
   * stream stored it, or when it was received.
   */
  declare readonly time: number
  /** Headers of the message. Empty if it has none. */
  declare readonly headers: EventHeaders
  /** The reply subject, if the event is a request. */
  declare readonly reply: string | undefined
  /** Sequence in the stream. The first is 1. Undefined for an event without a stream. */
  declare readonly seq: number | undefined
  /** Whether it was delivered when it was published. False for an event from the past. Undefined without a stream. */
  declare readonly live: boolean | undefined
  /** Only for `onRemoved`: why the stream removed the last event of the subject. */
  declare readonly removed: RemovalReason | undefined
  readonly #message: EventMessage

  constructor({ name, template }: ContractEvent, message: EventMessage, data: Data) {
    const { subject, time, reply, seq, stream, removed } = message
    this.name = name as Name
    this.data = data
    this.subject = subject
    this.params = template.params(subject) as Params
    const block = message.headerText || (message.headerBlock && decode(message.headerBlock))
    const headers = new EventHeaders(block)
    const [, id, sent] = block ? (OWN.exec(block) ?? ['', headers.get(ID_HEADER), headers.get(TIME_HEADER)]) : []
    this.headers = headers
    this.id = id ?? (stream === undefined ? '' : `${stream}.${seq}`)
    this.time = Number(sent) || time
    if (reply !== undefined) this.reply = reply
    if (seq !== undefined) {
      this.seq = seq
      this.live = message.live
    }
    if (removed) this.removed = removed
    this.#message = message
  }

  /** The payload, before decoding. */
  get payload(): Uint8Array {
    return this.#message.payload
  }

  /** Vue does not wrap events in a proxy, on which `payload` would throw. */
  get __v_skip(): true {
    return true
  }
}
