import { type HeaderFields, readFields } from '../wire/header-fields.ts'

/** The headers of an event. Names are case-insensitive. Iterates over [name, value] in their order. */
export class EventHeaders {
  readonly #fields: HeaderFields

  constructor(block: Uint8Array | undefined) {
    this.#fields = readFields(block)
  }

  /** Returns the first value of a name. */
  get(name: string): string | undefined {
    return this.getAll(name)[0]
  }

  /** Returns all values of a name, in their order. */
  getAll(name: string): string[] {
    const wanted = name.toLowerCase()
    return this.#fields.filter(([other]) => other.toLowerCase() === wanted).map(([, value]) => value)
  }

  /** Iterates over [name, value]. */
  [Symbol.iterator](): Iterator<readonly [name: string, value: string]> {
    return this.#fields[Symbol.iterator]()
  }
}
