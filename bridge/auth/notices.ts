/** Notices of one minute. Anyone can cause them: more would fill the log. */
const MAX_NOTICES = 10
const MINUTE = 60_000
/** In characters. */
const MAX_LENGTH = 300

/**
 * Writes to the log of the bridge what its clients are not told: why they were refused. Each text is written once a minute
 * at most, and ten texts a minute.
 */
export class Notices {
  readonly #clock: () => number
  readonly #written = new Set<string>()
  #since = 0
  #omitted = 0

  constructor(clock: () => number = () => Date.now()) {
    this.#clock = clock
  }

  /** @param text without tokens or payloads; what a client wrote must be quoted as JSON */
  write(text: string): void {
    const now = this.#clock()
    if (now - this.#since >= MINUTE) {
      if (this.#omitted > 0) console.warn(`spanwire: ${this.#omitted} more notices in the last minute.`)
      this.#since = now
      this.#omitted = 0
      this.#written.clear()
    }
    if (this.#written.has(text)) return
    if (this.#written.size >= MAX_NOTICES) {
      this.#omitted++
      return
    }
    this.#written.add(text)
    console.warn(`spanwire: ${text.slice(0, MAX_LENGTH)}`)
  }
}
