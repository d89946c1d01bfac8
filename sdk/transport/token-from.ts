import { membersOf } from '../kit/kinds.ts'
import { SpanwireError } from '../wire/errors.ts'

/** How long to wait for an application's server, in ms. */
const PATIENCE = 10_000

/**
 * A token function for `connect`: fetches `{ "token": "…" }` from a route of the application's own, such as
 * `tokenEndpoint` of `spanwire/auth` makes one.
 *
 *     connect({ url, events, token: tokenFrom('/token') })
 *
 * Cookies are also sent to other origins. An answer of 401 or 403 closes the client permanently with
 * `authentication-failed`. Any other failure is temporary: the client tries again.
 * @param url of the route; a path counts from the page
 * @param init other options of `fetch`, such as `headers`
 * @returns a function that rejects with SpanwireError `authentication-failed`, `connection-refused`
 */
export function tokenFrom(url: string | URL, init?: RequestInit): () => Promise<string> {
  return async () => {
    const response = await fetch(url, {
      cache: 'no-store',
      signal: AbortSignal.timeout(PATIENCE),
      // Runtimes without pages have no cookies, and not all of them take this option.
      ...(globalThis.location && { credentials: 'include' }),
      ...init,
    }).catch((cause) => {
      throw new SpanwireError('connection-refused', `${url} can't be reached for a token: ${cause.message}`, { cause })
    })
    const { status, ok } = response
    if (status === 401 || status === 403)
      throw new SpanwireError('authentication-failed', `${url} gives no token (${status}): sign in.`)
    if (!ok) throw new SpanwireError('connection-refused', `${url} gives no token: it answers ${status}.`)
    const { token } = membersOf(await response.json().catch(() => undefined))
    if (token && typeof token === 'string') return token
    throw new SpanwireError('connection-refused', `${url} gives no token: its answer must be { "token": "…" } as JSON.`)
  }
}
