import type { Context, MiddlewareHandler } from 'hono'
import { bearerAuth } from 'hono/bearer-auth'
import { timingSafeEqual } from 'hono/utils/buffer'
import { SpanwireError } from '../../sdk/wire/errors.ts'

/**
 * Requires the key as `Authorization: Bearer`. It is compared in constant time.
 * @param option name of the option, for errors
 * @throws SpanwireError `invalid-argument` for a key that is too short, or can't be sent as a bearer token
 */
export function requireKey(key: string, option: string): MiddlewareHandler {
  // Characters of a bearer token: RFC 6750, section 2.1.
  if (!/^[\w.~+/-]{32,}=*$/.test(key)) {
    throw new SpanwireError('invalid-argument', `${option} needs at least 32 characters: letters, digits and -._~+/.`)
  }
  return bearerAuth({ token: key })
}

/** Whether the request has the key. It is compared in constant time. */
export async function hasKey(c: Context, key: string): Promise<boolean> {
  const [, given = ''] = /^Bearer +([^ \t]+)$/i.exec(c.req.header('Authorization') ?? '') ?? []
  return timingSafeEqual(given, key)
}
