/** A message of a stream without its bytes. */
export interface Entry {
  readonly seq: number
  /** In ms since 1970. Not less than that of the previous entry. */
  readonly time: number
  readonly subject: string
  /** Size as in `max_bytes`. */
  readonly size: number
  removed: boolean
}

/**
 * Entries by sequence, with gaps: binary search by sequence or time, and removal anywhere. A removed entry stays as a
 * tombstone until there are more tombstones than entries.
 */
export class EntryLog {
  #entries: Entry[] = []
  #head = 0
  #live = 0

  /** Number of entries. */
  get size(): number {
    return this.#live
  }

  /** The sequence must be larger than all others. */
  add(entry: Entry): void {
    this.#entries.push(entry)
    this.#live++
  }

  /** Called once for each entry that was marked as removed. */
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

  /** The first entry with that sequence or a later one that passes the test. */
  find(seq: number, test?: (entry: Entry) => boolean): Entry | undefined {
    for (let i = this.#indexOf(seq); i < this.#entries.length; i++) {
      const entry = this.#entries[i] as Entry
      if (!entry.removed && (!test || test(entry))) return entry
    }
    return undefined
  }

  /** The last entry that passes the test. */
  findLast(test: (entry: Entry) => boolean): Entry | undefined {
    for (let i = this.#entries.length - 1; i >= this.#head; i--) {
      const entry = this.#entries[i] as Entry
      if (!entry.removed && test(entry)) return entry
    }
    return undefined
  }

  /** The first entry of that time or later. */
  since(time: number): Entry | undefined {
    for (let i = this.#search((entry) => entry.time < time); i < this.#entries.length; i++) {
      const entry = this.#entries[i] as Entry
      if (!entry.removed) return entry
    }
    return undefined
  }

  /** Number of entries with that sequence or a later one that pass the test. */
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

  /** Index of the first entry for which `before` is false. */
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
