import { type HeaderFields, parseFields } from '../wire/header-fields.ts'

/** The headers of an event. Names are case-insensitive. Iterates over [name, value] in their order. */
export class EventHeaders {
  /** The header block as text, empty without headers. It survives a structured clone, for `new EventHeaders(block)`. */
  declare readonly block: string

  constructor(block = '') {
    this.block = block
  }

  /** Returns the first value of a name. */
  get(name: string): string | undefined {
    return this.getAll(name)[0]
  }

  /** Returns all values of a name, in their order. */
  getAll(name: string): string[] {
    return this.toJSON().flatMap(([other, value]) => (other.toLowerCase() === name.toLowerCase() ? value : []))
  }

  /** Returns all [name, value]: what `JSON.stringify` writes. */
  toJSON(): HeaderFields {
    return parseFields(this.block)
  }

  /** Iterates over [name, value]. */
  [Symbol.iterator](): Iterator<readonly [name: string, value: string]> {
    return this.toJSON()[Symbol.iterator]()
  }
}
