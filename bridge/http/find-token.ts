import type { Context } from 'hono'
import { getCookie } from 'hono/cookie'
import { decodeJwt } from 'jose'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { isSameHost, namesOrigin, type Origins } from './origins.ts'

/** Finds the token of a request, which is not verified yet. */
export type FindToken = (c: Context) => string | undefined

/** In s. Long enough for a page to create its EventSource, and too short for a token in a log to be useful. */
export const URL_TOKEN_LIFETIME = 600

/**
 * Reads `Authorization: Bearer`, or the cookie. Browsers send a cookie with every request, whichever page makes it. So a
 * cookie counts only if the Origin is a listed one (`*` is not enough), or the bridge's own. With a GET to its own host a
 * page sends no Origin, but the browser sets `Sec-Fetch-Site`, which no page can set.
 */
export function tokenFinder(cookie: string | undefined, origins: Origins): FindToken {
  return (c) => {
    const bearer = /^Bearer +([!-~]+)$/i.exec(c.req.header('Authorization') ?? '')?.[1]
    const origin = c.req.header('Origin')
    if (bearer !== undefined || cookie === undefined) return bearer
    const trusted =
      origin === undefined
        ? c.req.header('Sec-Fetch-Site') === 'same-origin'
        : isSameHost(origin, c.req.url) || (origins !== '*' && namesOrigin(origins, origin))
    return trusted ? getCookie(c, cookie) : undefined
  }
}

/**
 * Reads the query parameter `token` as well: a browser's EventSource can't send headers. URLs end up in logs and
 * histories, so the token must expire soon.
 * @param lifetime largest remaining lifetime of the token, in s; 0: the parameter is ignored
 * @throws SpanwireError `authentication-failed`
 */
export function urlTokenFinder(findToken: FindToken, lifetime: number = URL_TOKEN_LIFETIME): FindToken {
  return (c) => {
    const found = findToken(c)
    const token = c.req.query('token')
    if (found !== undefined || token === undefined || lifetime === 0) return found
    const expiry = readExpiry(token)
    if (expiry !== undefined && expiry <= Date.now() / 1000 + lifetime) return token
    throw new SpanwireError(
      'authentication-failed',
      `A token in a URL must be a JWT that expires within ${lifetime} s, because URLs end up in logs.`,
    )
  }
}

function readExpiry(token: string): number | undefined {
  try {
    return decodeJwt(token).exp
  } catch {
    return undefined
  }
}
