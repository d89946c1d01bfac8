import { type HeaderFields, readFields } from '../wire/header-fields.ts'

/** The headers of an event. Names are compared without regard to case. Iterates over [name, value] in order. */
export class EventHeaders {
  readonly #fields: HeaderFields

  constructor(block: Uint8Array | undefined) {
    this.#fields = readFields(block)
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
