/** New tokens for a live connection: loaded with the first token that a function returned. */
import { MAX_TIMER } from '../../kit/max-timer.ts'
import { encodeConnect } from '../../wire/client-op.ts'

/**
 * Returns the time until a token should be replaced, in ms. Undefined if it does not expire or is not a JWT.
 * The server verifies tokens, so this function does not.
 * @param now in ms since 1970
 */
export function refreshAfter(token: string, now: number): number | undefined {
  try {
    const claims = JSON.parse(atob(token.split('.')[1]?.replaceAll('-', '+').replaceAll('_', '/') ?? ''))
    const left = claims.exp * 1_000 - now
    // The token function has a tenth of the remaining time, and at least 5 s or half of it.
    return left > 0 ? Math.min(left - Math.min(Math.max(left / 10, 5_000), left / 2), MAX_TIMER) : undefined
  } catch {
    return undefined
  }
}

/** Sends a new token shortly before each token expires. Returns a function that ends it. */
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
        // The current token is still valid. When it expires, the connection ends, and the function is called again.
      }
    }, wait)
  }
  plan(first)
  return () => {
    stopped = true
    clearTimeout(timer)
  }
}
