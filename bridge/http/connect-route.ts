import { Hono } from 'hono'
import { createMiddleware } from 'hono/factory'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import type { ClientConnection, ClientSocket } from '../delivery/client-socket.ts'
import type { HubCore } from '../hub/hub-core.ts'
import type { FindToken } from './find-token.ts'
import { problem, StatusError } from './problem.ts'

/**
 * Upgrades a request to a WebSocket. The host calls `open` with the socket, and passes messages of the client to the
 * connection that `open` returns. The host sets it in Hono's `env`, for each request.
 */
export type Upgrade = (open: (socket: ClientSocket) => ClientConnection) => Response | Promise<Response>

/** Bindings that a host passes as second argument of `app.fetch`. */
export interface HostBindings {
  /** Upgrades this request. Undefined on hosts without WebSockets. */
  readonly upgrade?: Upgrade
  /** Closes the connection of this request at once. Default: the response body fails, which some hosts log. */
  readonly cut?: () => void
  /** Interval of heartbeats in an event stream, in ms. Default 15,000. */
  readonly heartbeat?: number
}

/** Whether a request is for a WebSocket (RFC 6455, section 4.1). */
export function isWebSocket({ method, headers }: Pick<Request, 'method' | 'headers'>): boolean {
  return method === 'GET' && headers.get('Upgrade')?.toLowerCase() === 'websocket'
}

/**
 * Refuses WebSockets on all routes but `/nats` and `/nats/stream`. A host that upgrades does not read such a request further,
 * and the response of another route may have no end.
 */
export const refuseWebSockets = createMiddleware(async (c, next) => {
  if (isWebSocket(c.req.raw) && !/\/nats(\/stream)?\/?$/.test(c.req.path))
    throw new StatusError(404, 'request-refused', 'This path has no WebSocket. The NATS endpoint is /nats.')
  await next()
})

/** `GET /nats`: the NATS client protocol over WebSocket; see ../PROTOCOL.md. */
export function connectRoute(hub: HubCore, findToken: FindToken): Hono<{ Bindings: HostBindings }> {
  const app = new Hono<{ Bindings: HostBindings }>()

  app.get('/', (c) => {
    const { upgrade } = c.env ?? {}
    if (!isWebSocket(c.req.raw) || !upgrade) {
      c.header('Connection', 'Upgrade')
      c.header('Upgrade', 'websocket')
      return problem(c, new SpanwireError('request-refused', 'This is a NATS endpoint. Connect with a WebSocket.'), 426)
    }
    const token = findToken(c)
    return upgrade((socket) => hub.open(socket, token))
  })

  return app
}
