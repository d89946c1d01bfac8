import { SpanwireError } from '../../sdk/wire/errors.ts'
import type { Upstream } from '../upstream/upstream.ts'

/** Whom an order is about: all connections of a user, or one. */
export interface AdminTarget {
  readonly user?: string
  /** As `/connz` and INFO's server name it. */
  readonly connection?: string
}

/** What an administrator wants done at every hub. */
export type AdminOrder =
  | (AdminTarget & { readonly do: 'disconnect' })
  | (AdminTarget & { readonly do: 'unsubscribe'; readonly filter: string })

/** Where hubs hear of orders. Clients can't publish there; who can reach NATS itself is trusted. */
const SUBJECT = '$EDGE.ADMIN'

/** Sends orders to every hub on the same NATS, this one included, and hears them. */
export class AdminChannel {
  readonly #upstream: Upstream
  readonly #end: () => void

  constructor(upstream: Upstream, obey: (order: AdminOrder) => void) {
    this.#upstream = upstream
    this.#end = upstream.subscribe(SUBJECT, undefined, ({ payload }) => {
      try {
        obey(parseOrder(JSON.parse(new TextDecoder().decode(payload))))
      } catch {
        // Somebody else's message: not an order.
      }
    })
  }

  /** @throws SpanwireError `upstream-unavailable` */
  send(order: AdminOrder): void {
    this.#upstream.publish({ subject: SUBJECT, payload: new TextEncoder().encode(JSON.stringify(order)) })
  }

  close(): void {
    this.#end()
  }
}

/** @throws SpanwireError `invalid-argument` */
export function parseOrder(value: unknown): AdminOrder {
  const { do: what, user, connection, filter } = Object(value) as Record<string, unknown>
  const target =
    typeof user === 'string' && user !== ''
      ? { user }
      : typeof connection === 'string' && connection !== ''
        ? { connection }
        : undefined
  if (target && what === 'disconnect') return { do: what, ...target }
  if (target && what === 'unsubscribe' && typeof filter === 'string' && filter !== '')
    return { do: what, ...target, filter }
  throw new SpanwireError(
    'invalid-argument',
    'Say whom it is about: "user" or "connection"; and for unsubscribe which "filter".',
  )
}
