/** Fresh tokens for a live connection: loaded once there is one whose token comes from a function. */
import { MAX_TIMER } from '../../kit/max-timer.ts'
import { encodeConnect } from '../../wire/client-op.ts'

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

/** Brings a new token to `use` shortly before each expires, until it is stopped. Returns what stops it. */
export function keepFresh(
  first: string,
  source: () => string | Promise<string>,
  send: (frame: Uint8Array) => void,
): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined
  let stopped = false
  const plan = (token: string) => {
    const wait = refreshAfter(token, Date.now())
    if (wait === undefined || stopped) return
    timer = setTimeout(async () => {
      try {
        const next = await source()
        if (!stopped) send(encodeConnect({ verbose: false, auth_token: next }))
        plan(next)
      } catch {
        // The old one still holds; when it ends, so does the connection, and the function is asked again.
      }
    }, wait)
  }
  plan(first)
  return () => {
    stopped = true
    clearTimeout(timer)
  }
}
