/** A number of handlers that run concurrently. Partitions of one process share it, and take turns. */
export class Slots {
  #free: number
  /** Functions of partitions that wait for a slot. The one that waits longest is the first. */
  readonly #waiting = new Set<() => void>()

  constructor(count: number) {
    this.#free = count
  }

  /** Takes a slot. Returns false if none is free: `retry` is called when one may be. */
  take(retry: () => void): boolean {
    if (this.#free === 0) {
      this.#waiting.add(retry)
      return false
    }
    this.#free--
    return true
  }

  /** Returns a slot. */
  release(): void {
    this.#free++
    for (const retry of this.#waiting) {
      if (this.#free === 0) return
      // A partition that cannot use the slot leaves it for the next one.
      this.#waiting.delete(retry)
      retry()
    }
  }
}
