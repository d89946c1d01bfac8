import type { HeaderFields } from '../../sdk/wire/headers.ts'
import type { Incoming } from './foreign.ts'

/** Headers of a foreign message. Names are case-insensitive. Iterates over [name, value] in order. */
export class ForeignHeaders {
  readonly #fields: HeaderFields

  constructor(fields: HeaderFields) {
    this.#fields = fields
  }

  /** Returns the first value of a name. */
  get(name: string): string | undefined {
    const wanted = name.toLowerCase()
    return this.#fields.find(([other]) => other.toLowerCase() === wanted)?.[1]
  }

  /** Iterates over all headers in order. */
  [Symbol.iterator](): Iterator<readonly [name: string, value: string]> {
    return this.#fields[Symbol.iterator]()
  }
}

/** A message of a foreign broker: the argument of a declaration's functions. */
export class ForeignMessage {
  /** The decoded data, before the check by the schema. Undefined for a tombstone. */
  readonly data: unknown
  readonly #incoming: Incoming

  constructor(incoming: Incoming, data: unknown) {
    this.#incoming = incoming
    this.data = data
  }

  /** Kafka's key, RabbitMQ's routing key. Undefined if there is none. */
  get key(): Uint8Array | undefined {
    return this.#incoming.key
  }

  /** All headers. */
  get headers(): ForeignHeaders {
    return new ForeignHeaders(this.#incoming.headers)
  }

  /** The payload, unchanged. Null for a tombstone. */
  get payload(): Uint8Array | null {
    return this.#incoming.payload
  }

  /** The id of the broker or the publisher. It is the same for a redelivery. */
  get id(): string | undefined {
    return this.#incoming.id
  }

  /** The time of publishing, in ms since 1970. Undefined if the broker has none. */
  get time(): number | undefined {
    return this.#incoming.time
  }

  /** Its partition (`orders/0`) or queue. */
  get lane(): string {
    return this.#incoming.lane
  }
}
