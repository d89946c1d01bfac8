import { createMiddleware } from 'hono/factory'
import type { Authenticate } from '../auth/authenticate.ts'
import type { Identity } from '../auth/identity.ts'
import type { FindToken } from './find-token.ts'

/** Variables of an authenticated request. */
export interface BridgeEnv {
  Variables: { identity: Identity }
}

/** Authenticates a request. Refuses it with 401. */
export function identify(authenticate: Authenticate, findToken: FindToken) {
  return createMiddleware<BridgeEnv>(async (c, next) => {
    c.set('identity', await authenticate({ token: findToken(c) }))
    await next()
  })
}
