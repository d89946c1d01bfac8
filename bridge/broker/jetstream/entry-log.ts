/** What a stream remembers of a message, wherever its bytes are. */
export interface Entry {
  readonly seq: number
  /** In ms since 1970; never less than that of the entry before. */
  readonly time: number
  readonly subject: string
  /** What it counts towards `max_bytes`. */
  readonly size: number
  removed: boolean
}

/**
 * Entries in the order of their sequences, with holes: binary search by sequence or time, and removal anywhere.
 * A removed entry stays as a stone in the way until there are more stones than entries.
 */
export class EntryLog {
  #entries: Entry[] = []
  #head = 0
  #live = 0

  /** How many there are. */
  get size(): number {
    return this.#live
  }

  /** Its sequence must be above all others. */
  add(entry: Entry): void {
    this.#entries.push(entry)
    this.#live++
  }

  /** To be called once for each entry that is marked as removed. */
  forgot(): void {
    this.#live--
    if (this.#entries.length - this.#live > this.#live + 64) {
      this.#entries = this.#entries.slice(this.#head).filter(({ removed }) => !removed)
      this.#head = 0
    }
  }

  get first(): Entry | undefined {
    while (this.#entries[this.#head]?.removed) this.#head++
    return this.#entries[this.#head]
  }

  get last(): Entry | undefined {
    while (this.#entries.at(-1)?.removed) {
      this.#entries.pop()
      this.#head = Math.min(this.#head, this.#entries.length)
    }
    return this.#entries.at(-1)
  }

  get(seq: number): Entry | undefined {
    const entry = this.#entries[this.#indexOf(seq)]
    return entry?.seq === seq && !entry.removed ? entry : undefined
  }

  /** The first with that sequence or a later one that passes the test. */
  find(seq: number, test?: (entry: Entry) => boolean): Entry | undefined {
    for (let i = this.#indexOf(seq); i < this.#entries.length; i++) {
      const entry = this.#entries[i] as Entry
      if (!entry.removed && (!test || test(entry))) return entry
    }
    return undefined
  }

  /** The last one that passes the test. */
  findLast(test: (entry: Entry) => boolean): Entry | undefined {
    for (let i = this.#entries.length - 1; i >= this.#head; i--) {
      const entry = this.#entries[i] as Entry
      if (!entry.removed && test(entry)) return entry
    }
    return undefined
  }

  /** The first that came at that time or later. */
  since(time: number): Entry | undefined {
    for (let i = this.#search((entry) => entry.time < time); i < this.#entries.length; i++) {
      const entry = this.#entries[i] as Entry
      if (!entry.removed) return entry
    }
    return undefined
  }

  /** How many from that sequence on pass the test. */
  count(seq: number, test?: (entry: Entry) => boolean): number {
    let count = 0
    for (let i = this.#indexOf(seq); i < this.#entries.length; i++) {
      const entry = this.#entries[i] as Entry
      if (!entry.removed && (!test || test(entry))) count++
    }
    return count
  }

  #indexOf(seq: number): number {
    return this.#search((entry) => entry.seq < seq)
  }

  /** The index of the first entry for which `before` no longer holds. */
  #search(before: (entry: Entry) => boolean): number {
    let low = this.#head
    let high = this.#entries.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (before(this.#entries[middle] as Entry)) low = middle + 1
      else high = middle
    }
    return low
  }
}
