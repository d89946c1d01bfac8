import type { ContractEvent } from '../contract/contract.ts'
import { ID_HEADER, TIME_HEADER } from '../protocol/header-names.ts'
import type { TransportMessage } from '../transport/transport.ts'
import { EventHeaders } from './event-headers.ts'

/** An event as a subscriber gets it. Headers, id, time and params are read when they are asked for. */
export class ReceivedEvent<Name extends string = string, Params = Readonly<Record<string, string>>, Data = unknown> {
  /** Its name in the contract: the subject template. */
  readonly name: Name
  readonly data: Data
  readonly #event: ContractEvent
  readonly #message: TransportMessage
  readonly #receivedAt: number
  #headers: EventHeaders | undefined
  #params: Params | undefined

  constructor(event: ContractEvent, message: TransportMessage, receivedAt: number, data: Data) {
    this.name = event.name as Name
    this.data = data
    this.#event = event
    this.#message = message
    this.#receivedAt = receivedAt
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

  /** When it was published, in ms since 1970 by the publisher's clock; when it was received if that isn't known. */
  get time(): number {
    const text = this.headers.get(TIME_HEADER)
    return text && Number.isFinite(+text) ? +text : this.#receivedAt
  }
}
