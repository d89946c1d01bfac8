/** Numbers that are missing are kept up to this count per tally. */
const MAX_MISSING = 100_000

/** Counts lost, repeated and unordered events of one subscriber, by their consecutive numbers. */
export class Tally {
  /** Highest number so far. */
  last = 0
  received = 0
  doubled = 0
  /** Events that arrived after a later one. */
  disordered = 0
  readonly #missing = new Set<number>()

  /** @param first number of the first expected event. Default: the number of the first event. */
  constructor(first?: number) {
    this.last = first === undefined ? 0 : first - 1
    this.#isOpen = first === undefined
  }

  #isOpen: boolean

  /** Number of events that have not arrived although a later one has. */
  get lost(): number {
    return this.#missing.size
  }

  take(n: number): void {
    this.received++
    if (this.#isOpen) {
      this.#isOpen = false
      this.last = n
    } else if (n > this.last) {
      for (let gone = this.last + 1; gone < n && this.#missing.size < MAX_MISSING; gone++) this.#missing.add(gone)
      this.last = n
    } else if (this.#missing.delete(n)) {
      this.disordered++
    } else {
      this.doubled++
    }
  }
}
