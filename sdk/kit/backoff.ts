/** How long to wait between attempts to connect. */
export interface BackoffOptions {
  /** Upper bound of the first wait, in ms. Default 500. */
  readonly first?: number
  /** Upper bound of every wait, in ms. Default 20,000. */
  readonly longest?: number
}

/**
 * How long to wait before attempt `attempt` (from 0), in ms: exponential backoff with full jitter, so that clients that
 * lost the same server don't come back together.
 */
export function backoff(
  attempt: number,
  { first = 500, longest = 20_000 }: BackoffOptions,
  random: () => number,
): number {
  return random() * Math.min(longest, first * 2 ** attempt)
}
