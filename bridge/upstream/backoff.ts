/** Bounds of the wait between two attempts, in ms. */
export interface BackoffOptions {
  /** The longest first wait. Default 250. */
  readonly initial?: number
  /** The longest wait of all. Default 10,000. */
  readonly max?: number
}

/**
 * How long to wait before attempt number `attempt` (from 0), in ms: exponential with full jitter, so that clients that
 * lost the same server don't come back all at once.
 */
export function backoff(
  attempt: number,
  { initial = 250, max = 10_000 }: BackoffOptions,
  random: () => number,
): number {
  return random() * Math.min(max, initial * 2 ** Math.min(attempt, 30))
}
