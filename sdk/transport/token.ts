/** A token, or a function that brings a fresh one. */
export type TokenSource = string | (() => string | Promise<string>)

/** The longest that a timer can wait, in ms: beyond it, it fires at once. */
const MAX_TIMER = 2 ** 31 - 1

/**
 * How long a token may be used before a new one should be had, in ms; undefined if it doesn't expire or isn't a JWT.
 * Nothing is verified: that is the server's part.
 * @param now in ms since 1970
 */
export function refreshAfter(token: string, now: number): number | undefined {
  try {
    const claims = JSON.parse(atob(token.split('.')[1]?.replaceAll('-', '+').replaceAll('_', '/') ?? ''))
    const left = claims.exp * 1_000 - now
    // A tenth of its life, at least 5 s if it has them, for the function that brings the next.
    return left > 0 ? Math.min(left - Math.min(Math.max(left / 10, 5_000), left / 2), MAX_TIMER) : undefined
  } catch {
    return undefined
  }
}
