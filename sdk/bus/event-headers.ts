import { type HeaderFields, parseHeaders } from '../protocol/headers.ts'

/** The headers of an event. Names are compared without regard to case. Iterates over [name, value] in order. */
export class EventHeaders {
  readonly #fields: HeaderFields

  constructor(block: Uint8Array | undefined) {
    let fields: HeaderFields = []
    try {
      if (block) fields = parseHeaders(block).fields
    } catch {
      // nats-server carries any bytes as headers; what is not a header block has no fields.
    }
    this.#fields = fields
  }

  /** The first value of that name. */
  get(name: string): string | undefined {
    return this.getAll(name)[0]
  }

  /** Every value of that name, in order. */
  getAll(name: string): string[] {
    const wanted = name.toLowerCase()
    return this.#fields.filter(([other]) => other.toLowerCase() === wanted).map(([, value]) => value)
  }

  [Symbol.iterator](): Iterator<readonly [name: string, value: string]> {
    return this.#fields[Symbol.iterator]()
  }
}
