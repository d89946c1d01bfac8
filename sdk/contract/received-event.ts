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
}

const ID = `\r\n${ID_HEADER}: `
const TIME = `\r\n${TIME_HEADER}: `
const NO_HEADERS = new EventHeaders()

/**
 * An event as a subscriber receives it. It is plain data: all members but `payload` survive a spread, `JSON.stringify` and
 * a structured clone.
 */
export class ReceivedEvent<Name extends string = string, Params = Readonly<Record<string, string>>, Data = unknown> {
  /** The event's name in the contract: its subject template. */
  readonly name: Name
  /** The data, decoded and validated. */
  readonly data: Data
  /** The subject of the message. */
  readonly subject: string
  /** Values of the template's parameters. */
  readonly params: Params
  /** Unique id of the event. Without one of its publisher: stream and sequence, or empty without a stream. */
  readonly id: string
  /**
   * Time of publishing, in ms since 1970 by the publisher's clock. If the message does not contain it: the time when the
   * stream stored it, or when it was received.
   */
  readonly time: number
  /** Headers of the message. Empty if it has none. */
  readonly headers: EventHeaders
  /** The reply subject, if the event is a request. */
  declare readonly reply: string | undefined
  /** Sequence in the stream. The first is 1. Undefined for an event without a stream. */
  declare readonly seq: number | undefined
  /** Whether it was delivered when it was published. False for an event from the past. Undefined without a stream. */
  declare readonly live: boolean | undefined
  /** Only for `onRemoved`: why the stream removed the last event of the subject. */
  declare readonly removed: RemovalReason | undefined
  readonly #message: EventMessage

  constructor({ name, template }: ContractEvent, message: EventMessage, data: Data, removed?: RemovalReason) {
    const { subject, time, reply, seq, stream } = message
    this.name = name as Name
    this.data = data
    this.subject = subject
    this.params = template.params(subject) as Params
    const block = message.headerText || (message.headerBlock && decode(message.headerBlock))
    let id: string | undefined
    let sent = 0
    if (block) {
      const [start, end] = find(block, ID, 8)
      if (start) id = block.slice(start, end)
      const [begin, stop] = find(block, TIME, end)
      sent = Number(block.slice(begin, stop))
    }
    this.id = id ?? (stream === undefined ? '' : `${stream}.${seq}`)
    this.time = sent || time
    this.headers = block ? new EventHeaders(block) : NO_HEADERS
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

  /** Tells Vue to leave events as they are: a proxy of one has no `payload`. */
  get __v_skip(): true {
    return true
  }
}

/**
 * Finds a header as NATS clients write it. Each event is searched, and to parse all headers would cost more.
 * @param from where it is in events of Spanwire
 */
function find(block: string, name: string, from: number): readonly [start: number, end: number] {
  const at = block.startsWith(name, from) ? from : block.indexOf(name)
  return at < 0 ? NOWHERE : [at + name.length, block.indexOf('\r', at + 2)]
}
const NOWHERE = [0, 0] as const
