import { createMiddleware } from 'hono/factory'
import type { Authenticate } from '../auth/authenticate.ts'
import type { Identity } from '../auth/identity.ts'
import type { FindToken } from './credentials.ts'

/** What the routes know of a request. */
export interface BridgeEnv {
  Variables: { identity: Identity }
}

/** Finds out who asks; refuses with 401. */
export function identify(authenticate: Authenticate, findToken: FindToken) {
  return createMiddleware<BridgeEnv>(async (c, next) => {
    c.set('identity', await authenticate({ token: findToken(c) }))
    await next()
  })
}
