/** Distinct keys that each holder uses, such as subject filters of a user. A key that is used several times takes one place. */
export class DistinctPlaces {
  readonly #max: number
  readonly #byHolder = new Map<string, Map<string, number>>()

  constructor(max: number) {
    this.#max = max
  }

  /** Number of distinct keys of a holder. */
  countOf(holder: string): number {
    return this.#byHolder.get(holder)?.size ?? 0
  }

  /** Whether the holder uses the key already, or may use one more. */
  hasRoomFor(holder: string, key: string): boolean {
    return this.#byHolder.get(holder)?.has(key) || this.countOf(holder) < this.#max
  }

  /** Counts one use. */
  add(holder: string, key: string): void {
    const keys = this.#byHolder.get(holder) ?? new Map<string, number>()
    this.#byHolder.set(holder, keys)
    keys.set(key, (keys.get(key) ?? 0) + 1)
  }

  /** Counts the end of one use. */
  remove(holder: string, key: string): void {
    const keys = this.#byHolder.get(holder)
    const uses = keys?.get(key)
    if (!keys || uses === undefined) return
    if (uses > 1) keys.set(key, uses - 1)
    else keys.delete(key)
    if (keys.size === 0) this.#byHolder.delete(holder)
  }
}
