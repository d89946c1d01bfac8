import { Hono } from 'hono'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { parseOrder } from '../hub/admin-channel.ts'
import type { HubCore } from '../hub/hub-core.ts'
import { requireKey } from './require-key.ts'

/** Turns the admin routes on. Without it there are none. */
export interface AdminOptions {
  /** Sent as `Authorization: Bearer`. At least 32 characters of `A-Z a-z 0-9 - . _ ~ + /`, and not a key that signs tokens. */
  readonly key: string
}

/**
 * `POST /admin/disconnect` with `{ "user" }` or `{ "connection" }` closes these connections at every hub.
 * `POST /admin/unsubscribe`, with `"filter"` in addition, ends their subscriptions to that filter.
 *
 * A client with a valid token can connect again. Stop issuing its tokens first, and keep tokens short-lived.
 */
export function adminRoutes(hub: HubCore, { key }: AdminOptions): Hono {
  const app = new Hono()
  app.use(requireKey(key, 'admin.key'))
  for (const action of ['disconnect', 'unsubscribe'] as const) {
    app.post(`/${action}`, async (c) => {
      const body: unknown = await c.req.json().catch(() => undefined)
      const order = parseOrder({ ...Object(body), do: action })
      if (!hub.upstreamOpen)
        throw new SpanwireError('upstream-unavailable', 'NATS and the other hubs are unavailable. Try again.')
      hub.admin.send(order)
      return c.json({}, 202)
    })
  }
  return app
}
