import type { FromHub } from './api.ts'
import type { Ratez } from './responses.ts'

/** Rates of all hubs together, by time. */
export interface Rates {
  /** In s since 1970. */
  readonly times: readonly number[]
  readonly connections: readonly number[]
  readonly inMessages: readonly number[]
  readonly outMessages: readonly number[]
  readonly inBytes: readonly number[]
  readonly outBytes: readonly number[]
}

/** Hubs take samples at different times, so those of one interval are added up. In ms. */
const BUCKET = 10_000

/** Computes rates per second from counts of hubs. */
export function computeRates(responses: ReadonlyArray<FromHub<Ratez>>): Rates {
  const names = ['connections', 'inMessages', 'outMessages', 'inBytes', 'outBytes'] as const
  const sums = new Map<number, Record<(typeof names)[number], number>>()
  for (const { body } of responses) {
    for (const [index, sample] of body.samples.entries()) {
      const before = body.samples[index - 1]
      if (!before) continue
      const seconds = (sample.time - before.time) / 1_000
      const bucket = Math.floor(sample.time / BUCKET)
      const sum = sums.get(bucket) ?? { connections: 0, inMessages: 0, outMessages: 0, inBytes: 0, outBytes: 0 }
      sums.set(bucket, sum)
      for (const name of names)
        sum[name] += name === 'connections' ? sample.connections : (sample[name] - before[name]) / seconds
    }
  }
  const buckets = [...sums].sort(([a], [b]) => a - b)
  const column = (name: (typeof names)[number]) => buckets.map(([, sum]) => sum[name])
  return {
    times: buckets.map(([bucket]) => (bucket * BUCKET) / 1_000),
    connections: column('connections'),
    inMessages: column('inMessages'),
    outMessages: column('outMessages'),
    inBytes: column('inBytes'),
    outBytes: column('outBytes'),
  }
}
