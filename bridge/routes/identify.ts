import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import type { Authenticate } from '../auth/authenticate.ts'
import type { Identity } from '../auth/identity.ts'

/** What the routes know of a request. */
export interface BridgeEnv {
  Variables: { identity: Identity }
}

/** Finds out who asks, by `Authorization: Bearer`; refuses with 401. */
export function identify(authenticate: Authenticate) {
  return createMiddleware<BridgeEnv>(async (c, next) => {
    c.set('identity', await authenticate({ token: bearerToken(c) }))
    await next()
  })
}

function bearerToken(c: Context): string | undefined {
  return /^Bearer +(\S+)$/i.exec(c.req.header('Authorization') ?? '')?.[1]
}
