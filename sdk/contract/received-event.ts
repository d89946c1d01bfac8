import type { TransportMessage } from '../transport/transport.ts'
import { ID_HEADER, TIME_HEADER } from '../wire/header-names.ts'
import type { ContractEvent } from './contract.ts'
import { EventHeaders } from './event-headers.ts'

/** A message, and what is known of it if it came from a stream. */
export interface EventMessage extends TransportMessage {
  readonly seq?: number
  readonly live?: boolean
}

/** An event as a subscriber gets it. Headers, id, time and params are read when they are asked for. */
export class ReceivedEvent<Name extends string = string, Params = Readonly<Record<string, string>>, Data = unknown> {
  /** Its name in the contract: the subject template. */
  readonly name: Name
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

  /** The subject it was published to. */
  get subject(): string {
    return this.#message.subject
  }

  /** Where an answer is wanted, if it is a request. */
  get reply(): string | undefined {
    return this.#message.reply
  }

  /** The data as it came, before it was decoded. */
  get payload(): Uint8Array {
    return this.#message.payload
  }

  /** The values of the template's parameters. */
  get params(): Params {
    this.#params ??= this.#event.template.params(this.subject) as Params
    return this.#params
  }

  get headers(): EventHeaders {
    this.#headers ??= new EventHeaders(this.#message.headerBlock)
    return this.#headers
  }

  /** Unique for each event; empty if the publisher gave none, which only publishers without Spanwire do. */
  get id(): string {
    return this.headers.get(ID_HEADER) ?? ''
  }

  /** Its place in the stream, if it came from one; the first is 1. */
  get seq(): number | undefined {
    return this.#message.seq
  }

  /** Whether it was delivered as it was published, and not from the past; undefined if it came from no stream. */
  get live(): boolean | undefined {
    return this.#message.live
  }

  /**
   * When it was published, in ms since 1970 by the publisher's clock; when the stream took it, or it was received, if
   * that isn't known.
   */
  get time(): number {
    const text = this.headers.get(TIME_HEADER)
    return text && Number.isFinite(+text) ? +text : this.#message.time
  }
}
