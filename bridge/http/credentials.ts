import type { Context } from 'hono'
import { getCookie } from 'hono/cookie'
import { isSameHost, namesOrigin, type Origins } from './origins.ts'

/** Finds the token that a request presents. */
export type FindToken = (c: Context) => string | undefined

/**
 * `Authorization: Bearer`, or the cookie of that name. Browsers send cookies along with whatever any page asks for, so
 * a cookie counts only if the Origin is there and is one that was named, or the bridge's own: `*` is not enough.
 * With a GET to its own host a page sends no Origin, but the browser says so in `Sec-Fetch-Site`, which no page can set.
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
