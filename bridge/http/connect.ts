import { Hono } from 'hono'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import type { ClientConnection, ClientSocket } from '../delivery/client-socket.ts'
import type { Hub } from '../hub/hub.ts'
import type { FindToken } from './credentials.ts'
import { problem } from './problem.ts'

/**
 * Given by the host with each request, as Hono's `env`: upgrades the request to a WebSocket, calls `open` with its
 * sending half, and feeds what comes in to what `open` returns.
 */
export type Upgrade = (open: (socket: ClientSocket) => ClientConnection) => Response | Promise<Response>

/** What a host passes as second argument of `app.fetch`. Without `upgrade` the host has no WebSockets. */
export interface HostBindings {
  readonly upgrade?: Upgrade
  /** Ends the request's connection at once, where an error in the answer's body would do so with noise. */
  readonly cut?: () => void
  /** Time between the heartbeats of an event stream, in ms. Default 15,000. */
  readonly heartbeat?: number
}

/** `GET /nats`: the NATS client protocol over WebSocket; see ../PROTOCOL.md. */
export function connectRoute(hub: Hub, findToken: FindToken): Hono<{ Bindings: HostBindings }> {
  const app = new Hono<{ Bindings: HostBindings }>()

  app.get('/', (c) => {
    const { upgrade } = c.env ?? {}
    if (c.req.header('Upgrade')?.toLowerCase() !== 'websocket' || !upgrade) {
      c.header('Connection', 'Upgrade')
      c.header('Upgrade', 'websocket')
      return problem(c, new SpanwireError('request-refused', 'This is a NATS endpoint: connect with a WebSocket.'), 426)
    }
    const token = findToken(c)
    return upgrade((socket) => hub.open(socket, token))
  })

  return app
}
