/** Limits of the delay between two attempts. */
export interface BackoffOptions {
  /** Upper bound of the first delay, in ms. It doubles with each failed attempt. Default 500. */
  readonly first?: number
  /** Upper bound of every delay, in ms. Default 20,000. */
  readonly longest?: number
}

/** The delays between attempts of one operation. */
export interface Backoff {
  /** Failed attempts since the last success. Set it to 0 when the operation succeeds. */
  failures: number
  /** Whether an attempt is scheduled and has not begun. */
  readonly isScheduled: boolean
  /** Counts a failed attempt. Returns the delay before the next attempt, in ms. */
  next(): number
  /** Calls `attempt` after `delay` ms. Replaces the call that is scheduled. Default: `next()`. */
  schedule(attempt: () => unknown, delay?: number): void
  /** Drops the call that is scheduled. */
  cancel(): void
}

/**
 * Exponential backoff with full jitter: clients that lost the same server do not return in step.
 * Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
export function createBackoff(
  { first = 500, longest = 20_000 }: BackoffOptions = {},
  random: () => number = Math.random,
): Backoff {
  let timer: ReturnType<typeof setTimeout> | undefined
  const backoff: Backoff = {
    failures: 0,
    get isScheduled() {
      return !!timer
    },
    next: () => random() * Math.min(longest, first * 2 ** backoff.failures++),
    schedule(attempt, delay = backoff.next()) {
      backoff.cancel()
      timer = setTimeout(() => {
        backoff.cancel()
        attempt()
      }, delay)
    },
    cancel() {
      clearTimeout(timer)
      timer = undefined
    },
  }
  return backoff
}
