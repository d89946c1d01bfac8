import type { Limits } from '../auth/limits.ts'

/** A limit of a bridge, or `data`: the bytes that the credentials of a NATS user allow. */
export type LimitName = keyof Limits | 'data'

/** Time in which a limit that one user reaches is reported once, in ms. A flood reaches it thousands of times. */
const PERIOD = 10_000
/** Users and limits that are remembered. All are forgotten beyond that number, which bounds memory. */
const MAX_KNOWN = 1_000

/** Limits that clients reached. */
export class ReachedLimits {
  readonly #reportedAt = new Map<string, number>()
  /** How often each limit was reached. */
  readonly counts = new Map<LimitName, number>()

  /**
   * Counts one refusal or close.
   * @param user empty for all clients without credentials together
   * @returns whether to report it
   */
  add(limit: LimitName, user: string, now: number): boolean {
    this.counts.set(limit, (this.counts.get(limit) ?? 0) + 1)
    const key = `${limit} ${user}`
    if (now - (this.#reportedAt.get(key) ?? Number.NEGATIVE_INFINITY) < PERIOD) return false
    if (this.#reportedAt.size >= MAX_KNOWN) this.#reportedAt.clear()
    this.#reportedAt.set(key, now)
    return true
  }
}
