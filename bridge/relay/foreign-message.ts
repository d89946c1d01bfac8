import type { HeaderFields } from '../../sdk/wire/headers.ts'
import type { Incoming } from './foreign.ts'

/** Headers of a foreign message. Names are compared without regard to case. Iterates over [name, value] in order. */
export class ForeignHeaders {
  readonly #fields: HeaderFields

  constructor(fields: HeaderFields) {
    this.#fields = fields
  }

  /** The first value of that name. */
  get(name: string): string | undefined {
    const wanted = name.toLowerCase()
    return this.#fields.find(([other]) => other.toLowerCase() === wanted)?.[1]
  }

  [Symbol.iterator](): Iterator<readonly [name: string, value: string]> {
    return this.#fields[Symbol.iterator]()
  }
}

/** A message of a foreign broker, as the functions of a declaration get it. */
export class ForeignMessage {
  /** The data as the codec decoded it. The schema has not checked it. Undefined for a tombstone. */
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

  get headers(): ForeignHeaders {
    return new ForeignHeaders(this.#incoming.headers)
  }

  /** The bytes as they came; null for a tombstone. */
  get payload(): Uint8Array | null {
    return this.#incoming.payload
  }

  /** The id that the broker or the publisher gave, the same for a repetition. */
  get id(): string | undefined {
    return this.#incoming.id
  }

  /** When it was published, in ms since 1970, if the broker says so. */
  get time(): number | undefined {
    return this.#incoming.time
  }

  /** The partition (`orders/0`) or queue that it came from. */
  get lane(): string {
    return this.#incoming.lane
  }
}
