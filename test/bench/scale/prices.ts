/**
 * List prices in US dollars, without discounts and taxes. bridge/SCALE.md names the sources and their dates.
 */

/** Hours and seconds of a month of 30 days. */
const HOURS = 720
const SECONDS = HOURS * 3_600

/** Cloudflare Workers, paid plan. Outgoing messages and traffic are free. */
export const CLOUDFLARE = {
  /** A Durable Object that is always in memory: 128 MB, $12.50 for one million GB-s. */
  object: 0.128 * SECONDS * (12.5 / 1e6),
  includedGigabyteSeconds: 400_000 * (12.5 / 1e6),
  /** A request to a Durable Object. 20 incoming WebSocket messages count as one request. */
  objectRequest: 0.15 / 1e6,
  messagesPerRequest: 20,
  /** A request to the Worker, such as an upgrade. */
  workerRequest: 0.3 / 1e6,
  plan: 5,
}

/** A rented machine. */
export interface Machine {
  readonly name: string
  readonly processors: number
  readonly memory: number
  /** Price per month. */
  readonly month: number
  /** Included traffic per month, in bytes. */
  readonly includedTraffic: number
  /** Price of further outgoing traffic by volume: bytes up to which a price per GB applies. */
  readonly traffic: ReadonlyArray<readonly [upTo: number, perGigabyte: number]>
}

const TB = 1e12

/** AWS, us-east-1, on demand, June 2026. Traffic of all machines together has these steps. */
export const AWS: Machine = {
  name: 'AWS m7g.large',
  processors: 2,
  memory: 8e9,
  month: 0.0816 * HOURS,
  includedTraffic: 0,
  traffic: [
    [10 * TB, 0.09],
    [50 * TB, 0.085],
    [150 * TB, 0.07],
    [Number.POSITIVE_INFINITY, 0.05],
  ],
}

/** Hetzner Cloud in Germany, April 2026: 6.49 EUR, and 1 EUR for each TB above 20. A euro is $1.16 here. */
export const HETZNER: Machine = {
  name: 'Hetzner CX33',
  processors: 4,
  memory: 8e9,
  month: 6.49 * 1.16,
  includedTraffic: 20 * TB,
  traffic: [[Number.POSITIVE_INFINITY, 0.00116]],
}

/** Price of the outgoing traffic of `machines`, in dollars per month. */
export function trafficPrice({ includedTraffic, traffic }: Machine, machines: number, bytesPerSecond: number): number {
  const total = bytesPerSecond * SECONDS
  let left = Math.max(0, total - machines * includedTraffic)
  let from = 0
  let price = 0
  for (const [upTo, perGigabyte] of traffic) {
    const part = Math.min(left, upTo - from)
    price += (part / 1e9) * perGigabyte
    left -= part
    from = upTo
  }
  return price
}

/** Number of events in a month. */
export function perMonth(perSecond: number): number {
  return perSecond * SECONDS
}
