import type { TransportMessage } from '../transport/transport.ts'
import { ID_HEADER, TIME_HEADER } from '../wire/header-names.ts'
import type { ContractEvent } from './contract.ts'
import { EventHeaders } from './event-headers.ts'

/** A message with its position in a stream, if it came from one. */
export interface EventMessage extends TransportMessage {
  /** Sequence in the stream. */
  readonly seq?: number
  /** Whether it was delivered when it was published. False for an event from the past. */
  readonly live?: boolean
}

/** An event as a subscriber receives it. Headers, id, time and params are parsed on first use. */
export class ReceivedEvent<Name extends string = string, Params = Readonly<Record<string, string>>, Data = unknown> {
  /** The event's name in the contract: its subject template. */
  readonly name: Name
  /** The data, decoded and validated. */
  readonly data: Data
  readonly #event: ContractEvent
  readonly #message: EventMessage
  #headers: EventHeaders | undefined
  #params: Params | undefined

  constructor(event: ContractEvent, message: EventMessage, data: Data) {
    this.name = event.name as Name
    this.data = data
    this.#event = event
    this.#message = message
  }

  /** The subject of the message. */
  get subject(): string {
    return this.#message.subject
  }

  /** The reply subject, if the event is a request. */
  get reply(): string | undefined {
    return this.#message.reply
  }

  /** The payload, before decoding. */
  get payload(): Uint8Array {
    return this.#message.payload
  }

  /** Values of the template's parameters. */
  get params(): Params {
    this.#params ??= this.#event.template.params(this.subject) as Params
    return this.#params
  }

  /** Headers of the message. Empty if it has none. */
  get headers(): EventHeaders {
    this.#headers ??= new EventHeaders(this.#message.headerBlock)
    return this.#headers
  }

  /** Unique id of the event. Empty if it was published without one, as by other clients than Spanwire. */
  get id(): string {
    return this.headers.get(ID_HEADER) ?? ''
  }

  /** Sequence in the stream. The first is 1. Undefined for an event without a stream. */
  get seq(): number | undefined {
    return this.#message.seq
  }

  /** Whether it was delivered when it was published. False for an event from the past. Undefined without a stream. */
  get live(): boolean | undefined {
    return this.#message.live
  }

  /**
   * Time of publishing, in ms since 1970 by the publisher's clock. If the message does not contain it: the time when the
   * stream stored it, or when it was received.
   */
  get time(): number {
    const text = this.headers.get(TIME_HEADER)
    return text && Number.isFinite(+text) ? +text : this.#message.time
  }
}
