/** What is kept of publishes made while the connection isn't open. */
export interface OfflineOptions {
  /** Default 1,000. */
  readonly maxMessages?: number
  /** Header blocks and payloads together. Default 1,048,576 (1 MiB). */
  readonly maxBytes?: number
  /** Whose `publish` rejects with `offline-queue-full` when there is no room. Default `refuse-oldest`. */
  readonly whenFull?: 'refuse-oldest' | 'refuse-newest'
}

/** A queue of bounded length and size. */
export class OfflineQueue<Entry extends { readonly size: number }> {
  readonly #maxMessages: number
  readonly #maxBytes: number
  readonly #refuseNewest: boolean
  #entries = new Set<Entry>()
  #bytes = 0

  constructor({ maxMessages = 1_000, maxBytes = 1_048_576, whenFull }: OfflineOptions = {}) {
    this.#maxMessages = maxMessages
    this.#maxBytes = maxBytes
    this.#refuseNewest = whenFull === 'refuse-newest'
  }

  get length(): number {
    return this.#entries.size
  }

  /** Adds an entry. Returns those that had to be refused for it, which may be itself. */
  add(entry: Entry): Entry[] {
    if (entry.size > this.#maxBytes || this.#maxMessages < 1) return [entry]
    const refused: Entry[] = []
    while (this.#entries.size >= this.#maxMessages || this.#bytes + entry.size > this.#maxBytes) {
      if (this.#refuseNewest) return [entry]
      const [oldest] = this.#entries as Set<Entry> & Iterable<Entry>
      this.delete(oldest as Entry)
      refused.push(oldest as Entry)
    }
    this.#entries.add(entry)
    this.#bytes += entry.size
    return refused
  }

  delete(entry: Entry): void {
    if (this.#entries.delete(entry)) this.#bytes -= entry.size
  }

  /** Takes everything out, oldest first. */
  take(): Entry[] {
    const entries = [...this.#entries]
    this.#entries = new Set()
    this.#bytes = 0
    return entries
  }
}
