import type { Context } from 'hono'
import type { Hub } from '../hub/hub.ts'
import type { Tunnels } from './tunnels.ts'

/** A connection to the hub that speaks the NATS client protocol: what a WebSocket at `/nats` is, without one. */
export interface HubLine {
  /** Bytes for the hub. Once the line is gone it does nothing. */
  send(bytes: Uint8Array): void
  /** Ends it; `closed` is not called for that. Idempotent. */
  close(): void
}

/** Who hears what the hub says. Neither may throw. */
export interface HubLineHandler {
  /** Bytes from the hub. Others may have the same: don't change them. */
  bytes(bytes: Uint8Array): void
  /** The hub ended it. Called at most once, and nothing after it. */
  closed(): void
}

/** What a line may need to know beside the request that it is for. */
export interface DialOptions {
  /** What the request presented; it counts for a CONNECT without credentials. */
  readonly token?: string | undefined
  /** Under this key what the client posts reaches the same session; see tunnels.ts. */
  readonly tunnel?: string
}

/**
 * How a route that answers by Server-Sent Events reaches the hub: in this process, or, from a stateless Worker, over a
 * WebSocket.
 * @throws SpanwireError (as rejection, too) what the hub says why there is no line
 */
export type DialHub = (c: Context, handler: HubLineHandler, options: DialOptions) => HubLine | Promise<HubLine>

/** Lines to a hub in this process. */
export function dialLocally(hub: Hub, tunnels: Tunnels): DialHub {
  return (_, handler, { token, tunnel }) => {
    let ended = false
    const socket = {
      send: (bytes: Uint8Array) => {
        if (!ended) handler.bytes(bytes)
      },
      close: () => {
        if (ended) return
        leave()
        handler.closed()
      },
    }
    const leave = () => {
      ended = true
      if (tunnel !== undefined) tunnels.remove(tunnel)
    }
    const connection = hub.open(socket, token)
    if (tunnel !== undefined && !ended) tunnels.add(tunnel, (bytes) => connection.receive(bytes))
    return {
      // A socket must not call back into the hub from within `send`, and this may be called from there.
      send: (bytes) => queueMicrotask(() => ended || connection.receive(bytes)),
      close: () => {
        leave()
        queueMicrotask(() => connection.closed())
      },
    }
  }
}
