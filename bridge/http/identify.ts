import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import type { Authenticate } from '../auth/authenticate.ts'
import type { Identity } from '../auth/identity.ts'
import { Places } from '../budget/places.ts'
import type { HubCore } from '../hub/hub-core.ts'
import type { FindToken } from './find-token.ts'
import { RequestMemory } from './request-memory.ts'
import { ResponseBody, sizeOf } from './response-body.ts'

/** Variables of a request whose caller is known. */
export interface BridgeEnv {
  Variables: { identity: Identity; memory: RequestMemory }
}

/** Authenticates the caller before anything else of the request is read. Refuses with 401, and with 429 over the limit. */
export function identify(hub: HubCore, authenticate: Authenticate, findToken: FindToken) {
  const places = new Places(hub.limits.requests)
  return createMiddleware<BridgeEnv>(async (c, next) => {
    const identity = await authenticate({ token: findToken(c) })
    const { user } = identity
    if (!places.take(user)) {
      hub.log.limit('requests', user, () => ({ path: `${c.req.method} ${c.req.path}` }))
      throw new SpanwireError('rate-limited', 'Too many of your requests are in progress. Wait until some have ended.')
    }
    const memory = new RequestMemory(hub.budget, user, () => places.give(user))
    c.set('identity', identity)
    c.set('memory', memory)
    await next().finally(() => memory.close())
  })
}

/** A response to the request. It is counted until the client has read it. */
export function respond(c: Context<BridgeEnv>, parts: Uint8Array<ArrayBuffer>[], type: string): Response {
  const headers = { 'Content-Type': type }
  const [first] = parts
  if (first && parts.length === 1) return c.body(first, 200, headers)
  const memory = c.get('memory')
  memory.take(sizeOf(parts))
  const body = new ResponseBody(c, parts)
  memory.evicted.catch(() => body.abort())
  memory.holdUntil(body.sent)
  return c.body(body.stream, 200, headers)
}
