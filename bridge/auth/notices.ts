/** Notices of one minute. Every client can cause them, and would fill the log. */
const MAX_NOTICES = 10
const MINUTE = 60_000
/** In characters. */
const MAX_LENGTH = 300

/**
 * Writes notices to the log of the bridge, such as the reason of a refusal, which the client does not get. Each text is
 * written at most once a minute, and at most ten texts a minute.
 */
export class Notices {
  readonly #clock: () => number
  readonly #written = new Set<string>()
  #since = 0
  #omitted = 0

  constructor(clock: () => number = () => Date.now()) {
    this.#clock = clock
  }

  /** @param text without tokens or payloads. Text of a client must be quoted as JSON */
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
