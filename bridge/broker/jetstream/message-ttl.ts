import type { Entry } from './entry-log.ts'

const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
}
const DURATION = /^(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h)/
const SECOND = 1_000

/**
 * Reads `Nats-TTL` (ADR-43): a duration as Go writes it, such as `1h30m`, a number of seconds, or `never`.
 * @returns ms; 0 for no TTL, infinity for `never`, NaN if it is invalid
 */
export function parseTtl(text: string): number {
  if (text === '') return 0
  if (text.toLowerCase() === 'never') return Number.POSITIVE_INFINITY
  if (/^\d{1,10}$/.test(text)) return Number(text) * SECOND
  const ms = parseDuration(text)
  // As nats-server, which counts whole seconds.
  return ms < SECOND ? Number.NaN : Math.floor(ms / SECOND) * SECOND
}

/** Reads a duration as Go writes it, such as `1h30m`. @returns ms; NaN if it is invalid */
export function parseDuration(text: string): number {
  let [rest, ms] = [text, text === '' ? Number.NaN : 0]
  while (rest !== '') {
    const [part] = DURATION.exec(rest) ?? []
    if (part === undefined) return Number.NaN
    ms += Number.parseFloat(part) * (UNITS[part.replace(/^[\d.]+/, '')] ?? Number.NaN)
    rest = rest.slice(part.length)
  }
  return ms
}

/** Messages of a stream with a TTL of their own. */
export class MessageTtls {
  /** Time at which a message expires, in ms since 1970. Infinity: `max_age` does not hold for it either. */
  readonly #expiries = new Map<Entry, number>()
  #next = Number.POSITIVE_INFINITY

  /** @param ttl in ms, from {@link parseTtl} */
  add(entry: Entry, ttl: number): void {
    if (ttl === 0) return
    this.#expiries.set(entry, entry.time + ttl)
    this.#next = Math.min(this.#next, entry.time + ttl)
  }

  remove(entry: Entry): void {
    this.#expiries.delete(entry)
  }

  /** When the next message expires, in ms since 1970. */
  get next(): number {
    return this.#next
  }

  isForever(entry: Entry): boolean {
    return this.#expiries.get(entry) === Number.POSITIVE_INFINITY
  }

  /** Messages whose TTL is over, by sequence. */
  expired(now: number): Entry[] {
    if (now < this.#next) return []
    const expired: Entry[] = []
    this.#next = Number.POSITIVE_INFINITY
    for (const [entry, expiry] of this.#expiries) {
      if (expiry <= now) expired.push(entry)
      else this.#next = Math.min(this.#next, expiry)
    }
    return expired
  }
}
