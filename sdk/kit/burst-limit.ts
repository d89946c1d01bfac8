/** Period of a burst, in ms. */
const PERIOD = 10_000

/** Bounds the events of each kind in a period of 10 s. Peers cause most events, and must not fill a disk. */
export class BurstLimit<Kind> {
  readonly #bursts = new Map<Kind, { readonly since: number; count: number }>()

  /**
   * Counts an event. Returns the number of omitted events before it, or undefined if it must be omitted as well.
   * @param max events of this kind in one period
   */
  omitted(kind: Kind, time: number, max: number): number | undefined {
    const burst = this.#bursts.get(kind)
    if (burst && time - burst.since < PERIOD) return ++burst.count > max ? undefined : 0
    this.#bursts.set(kind, { since: time, count: 1 })
    return Math.max(0, (burst?.count ?? 0) - max)
  }
}
