import { Hono } from 'hono'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { parseOrder } from '../hub/admin.ts'
import type { Hub } from '../hub/hub.ts'
import { requireKey } from './key.ts'

/** Who may give orders. Without it there are no admin routes. */
export interface AdminOptions {
  /** Sent as `Authorization: Bearer`; at least 32 letters and digits, and not a key that tokens are signed with. */
  readonly key: string
}

/**
 * `POST /admin/disconnect` with `{ "user" }` or `{ "connection" }`: ends these connections at every hub.
 * `POST /admin/unsubscribe` with `"filter"` beside it: ends their subscriptions to that filter.
 *
 * A token that is still valid can connect again: stop issuing it first, and keep tokens short-lived.
 */
export function adminRoutes(hub: Hub, { key }: AdminOptions): Hono {
  const app = new Hono()
  app.use(requireKey(key, 'admin.key'))
  for (const what of ['disconnect', 'unsubscribe'] as const) {
    app.post(`/${what}`, async (c) => {
      const body: unknown = await c.req.json().catch(() => undefined)
      const order = parseOrder({ ...Object(body), do: what })
      if (!hub.upstreamOpen)
        throw new SpanwireError('upstream-unavailable', 'NATS is out of reach, and with it the other hubs: try again.')
      hub.admin.send(order)
      return c.json({}, 202)
    })
  }
  return app
}
