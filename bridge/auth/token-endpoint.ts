import type { Context, Handler } from 'hono'
import type { Events } from '../../sdk/contract/contract.ts'
import { type SigningKey, signToken, type TokenClaims } from './sign-token.ts'

/**
 * A Hono handler that turns an application's own session into a token:
 *
 *     app.get('/token', tokenEndpoint({ secret }, async (c) => {
 *       const user = await sessionOf(c)
 *       return user && { user: user.id, events, subscribe: ['orders.{orderId}.created'], expiresIn: 300 }
 *     }))
 *
 * Answers `{ token, expiresIn }`, or 401 where `grant` returns nothing. Pages give the SDK
 * `token: async () => (await (await fetch('/token')).json()).token`.
 */
export function tokenEndpoint<Contract extends Events>(
  key: SigningKey,
  grant: (c: Context) => TokenClaims<Contract> | undefined | null | Promise<TokenClaims<Contract> | undefined | null>,
): Handler {
  return async (c) => {
    // It is somebody's own: no cache may keep it.
    c.header('Cache-Control', 'no-store')
    const claims = await grant(c)
    if (!claims) return c.json({ code: 'authentication-failed', detail: 'Sign in first.' }, 401)
    return c.json({ token: await signToken({ ...key, ...claims }), expiresIn: claims.expiresIn })
  }
}
