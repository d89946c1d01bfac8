import type { MiddlewareHandler } from 'hono'
import { bearerAuth } from 'hono/bearer-auth'
import { SpanwireError } from '../../sdk/wire/errors.ts'

/**
 * Lets in who has the key, as `Authorization: Bearer`; compares in constant time.
 * @param option its name, for errors
 * @throws SpanwireError `invalid-argument` for a key that can be guessed or not be sent
 */
export function requireKey(key: string, option: string): MiddlewareHandler {
  // What a bearer token may hold: RFC 6750, section 2.1.
  if (!/^[\w.~+/-]{32,}=*$/.test(key)) {
    throw new SpanwireError('invalid-argument', `${option} needs at least 32 characters: letters, digits and -._~+/.`)
  }
  return bearerAuth({ token: key })
}
