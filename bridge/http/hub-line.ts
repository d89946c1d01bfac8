import type { Context } from 'hono'
import type { HubCore } from '../hub/hub-core.ts'
import type { Tunnels } from './tunnels.ts'

/** A connection to the hub that speaks the NATS client protocol, as a WebSocket at `/nats` does. */
export interface HubLine {
  /** Sends bytes to the hub. Ignored once the line has ended. */
  send(bytes: Uint8Array): void
  /** Ends the line, without a call of `closed`. Idempotent. */
  close(): void
}

/** Handles the hub's side of a line. No method may throw. */
export interface HubLineHandler {
  /** Bytes from the hub, which may be shared: do not change them. */
  bytes(bytes: Uint8Array): void
  /** Memory that the handler holds, in bytes. Default: none. */
  readonly held?: number
  /** The hub takes back the memory that the handler holds. `closed` was called. */
  abort?(): void
  /** The hub has closed the line. Called at most once, and only `abort` after it. @param reason of the close frame, or empty */
  closed(reason: string): void
}

/** Options of a line. */
export interface DialOptions {
  /** Token of the request, for a CONNECT without credentials. */
  readonly token?: string | undefined
  /** Key under which POST requests of the client reach the same session; see {@link Tunnels}. */
  readonly tunnel?: string
}

/**
 * Connects a route with Server-Sent Events to its hub: within this process or, from a stateless Worker, by a WebSocket.
 * @throws SpanwireError (also as rejection) with the hub's reason
 */
export type DialHub = (c: Context, handler: HubLineHandler, options: DialOptions) => HubLine | Promise<HubLine>

/** Connects to a hub in this process. */
export function dialLocally(hub: HubCore, tunnels: Tunnels): DialHub {
  return (_, handler, { token, tunnel }) => {
    let ended = false
    const socket = {
      send: (bytes: Uint8Array) => {
        if (!ended) handler.bytes(bytes)
      },
      get held() {
        return handler.held ?? 0
      },
      terminate: () => handler.abort?.(),
      close: (_: number, reason: string) => {
        if (ended) return
        end()
        handler.closed(reason)
        queueMicrotask(() => connection.closed())
      },
    }
    const end = () => {
      ended = true
      if (tunnel !== undefined) tunnels.remove(tunnel)
    }
    const connection = hub.open(socket, token)
    if (tunnel !== undefined && !ended) tunnels.add(tunnel, (bytes) => connection.receive(bytes))
    return {
      // Later: the handler may call it within `bytes`, and a socket must not call back into the hub.
      send: (bytes) => queueMicrotask(() => ended || connection.receive(bytes)),
      close: () => {
        end()
        queueMicrotask(() => connection.closed())
      },
    }
  }
}
