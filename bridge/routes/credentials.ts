import type { Context } from 'hono'
import { getCookie } from 'hono/cookie'
import { isSameHost, type Origins } from './origins.ts'

/** Finds the token that a request presents. */
export type FindToken = (c: Context) => string | undefined

/**
 * `Authorization: Bearer`, or the cookie of that name. Browsers send cookies along with whatever any page asks for, so
 * a cookie counts only if the Origin is there and is one that was named, or the bridge's own: `*` is not enough.
 */
export function tokenFinder(cookie: string | undefined, origins: Origins): FindToken {
  return (c) => {
    const bearer = /^Bearer +(\S+)$/i.exec(c.req.header('Authorization') ?? '')?.[1]
    const origin = c.req.header('Origin')
    if (bearer !== undefined || cookie === undefined || origin === undefined) return bearer
    const trusted = isSameHost(origin, c.req.url) || (origins !== '*' && origins.includes(origin))
    return trusted ? getCookie(c, cookie) : undefined
  }
}
