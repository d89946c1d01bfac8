import { SpanwireError } from '../../sdk/wire/errors.ts'
import type { Upstream } from '../upstream/upstream.ts'

/** Target of an order: all connections of a user, or one connection. */
export interface AdminTarget {
  readonly user?: string
  /** Id of a connection, as `/connz` lists it. */
  readonly connection?: string
}

/** An administrator's order to all hubs. */
export type AdminOrder =
  | (AdminTarget & { readonly do: 'disconnect' })
  | (AdminTarget & { readonly do: 'unsubscribe'; readonly filter: string })
  | (AdminTarget & { readonly do: 'trace'; readonly seconds: number })

/** Time of a trace, in s: default and maximum. */
const TRACE = 60
const MAX_TRACE = 3_600

/** Clients can't publish here. Programs with access to NATS are trusted. */
const SUBJECT = '$EDGE.ADMIN'

/** Sends orders to all hubs on the same NATS system, including this one, and receives them. */
export class AdminChannel {
  readonly #upstream: Upstream
  readonly #unsubscribe: () => void

  constructor(upstream: Upstream, execute: (order: AdminOrder) => void) {
    this.#upstream = upstream
    this.#unsubscribe = upstream.subscribe(SUBJECT, undefined, ({ payload }) => {
      const order = readOrder(payload)
      if (order) execute(order)
    })
  }

  /** @throws SpanwireError `upstream-unavailable` */
  send(order: AdminOrder): void {
    this.#upstream.publish({ subject: SUBJECT, payload: new TextEncoder().encode(JSON.stringify(order)) })
  }

  close(): void {
    this.#unsubscribe()
  }
}

/** @throws SpanwireError `invalid-argument` */
export function parseOrder(value: unknown): AdminOrder {
  const { do: action, user, connection, filter, seconds = TRACE } = Object(value) as Record<string, unknown>
  const target = isText(user) ? { user } : isText(connection) ? { connection } : undefined
  if (target && action === 'disconnect') return { do: action, ...target }
  if (target && action === 'unsubscribe' && isText(filter)) return { do: action, ...target, filter }
  if (target && action === 'trace') {
    if (typeof seconds === 'number' && seconds > 0 && seconds <= MAX_TRACE) return { do: action, ...target, seconds }
    throw new SpanwireError('invalid-argument', `"seconds" must be a number of at most ${MAX_TRACE}.`)
  }
  throw new SpanwireError(
    'invalid-argument',
    'The order has no target. Give "user" or "connection", and for unsubscribe also "filter".',
  )
}

/** Undefined for a message that is not an order, as from a bridge of another version. */
function readOrder(payload: Uint8Array): AdminOrder | undefined {
  try {
    return parseOrder(JSON.parse(new TextDecoder().decode(payload)))
  } catch {
    return undefined
  }
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}
