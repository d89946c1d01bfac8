import type { HubStats } from './hub.ts'

/** Interval of samples, in ms. A sample takes time in proportion to the number of connections. */
export const SAMPLE_INTERVAL = 10_000
/** Samples of 15 minutes. */
const KEPT = 91

/** Counts of a hub at one time. */
export interface RateSample extends Pick<HubStats, 'connections' | 'subscriptions'> {
  /** In ms since 1970. */
  readonly time: number
  readonly inMessages: number
  readonly inBytes: number
  readonly outMessages: number
  readonly outBytes: number
}

/** Samples of the last 15 minutes. */
export class RateHistory {
  readonly #samples: RateSample[] = []

  get samples(): readonly RateSample[] {
    return this.#samples
  }

  /** Called once per second while there are clients, and before a query. @param read called if a sample is due */
  sample(now: number, read: () => HubStats): void {
    const last = this.#samples.at(-1)
    if (last && now - last.time < SAMPLE_INTERVAL) return
    const { connections, subscriptions, inMessages, inBytes, outMessages, outBytes } = read()
    this.#samples.push({ time: now, connections, subscriptions, inMessages, inBytes, outMessages, outBytes })
    if (this.#samples.length > KEPT) this.#samples.shift()
  }
}
