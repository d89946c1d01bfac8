const WINDOW_SECONDS = 60
const RATE_SECONDS = 5
const SAMPLES = 500
/** Time without samples of the latency after the first live event, in ms. A page that still loads delays its events. */
const WARM_UP = 1_000

/** Counts events and keeps the latest latencies. Times are parameters, in ms. */
export class Figures {
  received = 0
  /** Number of events since the last change of the filter. */
  matched = 0
  /** Number of events in each of the last seconds, the current one last. */
  readonly perSecond: number[] = new Array<number>(WINDOW_SECONDS + 1).fill(0)
  readonly #latencies: number[] = []
  readonly #since: number
  #second: number
  #next = 0
  #measuredFrom: number | undefined

  constructor(now: number) {
    this.#since = now
    this.#second = Math.floor(now / 1000)
  }

  /** Counts an event of the past that fills the page. It has no rate and no latency. */
  fill(): void {
    this.received++
    this.matched++
  }

  /** @param latency in ms, or undefined for a replayed event */
  add(latency: number | undefined, now: number): void {
    this.tick(now)
    this.received++
    this.matched++
    this.perSecond[WINDOW_SECONDS] = (this.perSecond[WINDOW_SECONDS] ?? 0) + 1
    if (latency === undefined) return
    this.#measuredFrom ??= now + WARM_UP
    if (now < this.#measuredFrom) return
    // Two clocks may differ by more than the latency.
    this.#latencies[this.#next] = Math.max(0, latency)
    this.#next = (this.#next + 1) % SAMPLES
  }

  /** Starts again for another filter, which has a different rate and latency. */
  restart(): void {
    this.matched = 0
    this.#latencies.length = 0
    this.#next = 0
    this.settle()
  }

  /** Leaves out the latencies of the next second, such as after an outage. */
  settle(): void {
    this.#measuredFrom = undefined
  }

  /** Moves the window of seconds forward. */
  tick(now: number): void {
    const second = Math.floor(now / 1000)
    for (let i = Math.min(second - this.#second, WINDOW_SECONDS + 1); i > 0; i--) {
      this.perSecond.shift()
      this.perSecond.push(0)
    }
    this.#second = second
  }

  /** Events per second, over the last whole seconds. */
  rate(now: number): number {
    this.tick(now)
    const seconds = Math.min(RATE_SECONDS, Math.floor(now / 1000) - Math.floor(this.#since / 1000))
    if (seconds < 1) return this.perSecond[WINDOW_SECONDS] ?? 0
    const whole = this.perSecond.slice(WINDOW_SECONDS - seconds, WINDOW_SECONDS)
    return whole.reduce((sum, count) => sum + count, 0) / seconds
  }

  get samples(): number {
    return this.#latencies.length
  }

  /** The quantile `p` of the latency, in ms. Undefined before the first event. */
  percentile(p: number): number | undefined {
    const sorted = [...this.#latencies].sort((a, b) => a - b)
    return sorted[Math.max(0, Math.ceil(sorted.length * p) - 1)]
  }
}
