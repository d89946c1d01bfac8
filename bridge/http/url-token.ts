import { decodeJwt } from 'jose'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import type { FindToken } from './credentials.ts'

/** In s. Long enough for a page to make its EventSource with, and too short to be worth digging in logs for. */
export const URL_TOKEN_LIFETIME = 600

/**
 * Finds the query parameter `token`, too: a browser's EventSource can send no header of its own. URLs end up in logs and
 * histories, so such a token must say that it expires soon. Whether it is good at all is not looked at here.
 * @param lifetime how long it may be valid from now, in s; 0: there is no such parameter
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
      `A token in a URL must be a JWT that expires within ${lifetime} s: URLs end up in logs.`,
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
