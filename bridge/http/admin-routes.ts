import { type Context, Hono } from 'hono'
import { decode } from '../../sdk/wire/bytes.ts'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { parseOrder } from '../hub/admin-channel.ts'
import type { HubCore } from '../hub/hub-core.ts'
import { readBody } from './body.ts'
import { RequestMemory } from './request-memory.ts'
import { requireKey } from './require-key.ts'

/** Largest order, in bytes: a user or connection, and a filter. */
const MAX_ORDER = 16 * 1024

/** Turns the admin routes on. Without it there are none. */
export interface AdminOptions {
  /** Sent as `Authorization: Bearer`. At least 32 characters of `A-Z a-z 0-9 - . _ ~ + /`, and not a key that signs tokens. */
  readonly key: string
}

/**
 * `POST /admin/disconnect` with `{ "user" }` or `{ "connection" }` closes these connections at every hub.
 * `POST /admin/unsubscribe`, with `"filter"` in addition, ends their subscriptions to that filter.
 * `POST /admin/trace` logs their operations as `client-traced`, without payloads and credentials, for `"seconds"` (default
 * 60, at most 3,600).
 *
 * A client with a valid token can connect again. Stop issuing its tokens first, and keep tokens short-lived.
 */
export function adminRoutes(hub: HubCore, { key }: AdminOptions): Hono {
  const app = new Hono()
  app.use(requireKey(key, 'admin.key'))
  for (const action of ['disconnect', 'unsubscribe', 'trace'] as const) {
    app.post(`/${action}`, async (c) => {
      const order = parseOrder({ ...(await readOrder(c, hub)), do: action })
      if (!hub.upstreamOpen)
        throw new SpanwireError('upstream-unavailable', 'NATS and the other hubs are unavailable. Try again.')
      hub.admin.send(order)
      return c.json({}, 202)
    })
  }
  return app
}

/** Returns an empty object for a body that is not JSON. */
async function readOrder(c: Context, { budget, limits }: HubCore): Promise<object> {
  const memory = new RequestMemory(budget, 'admin')
  try {
    return Object(JSON.parse(decode(await readBody(c, { max: MAX_ORDER, timeout: limits.bodyTimeout, memory }))))
  } catch (error) {
    if (error instanceof SyntaxError) return {}
    throw error
  } finally {
    memory.close()
  }
}
