import type { ClientConnection, ClientSocket } from '../delivery/client-socket.ts'
import { atMost } from '../hub/at-most.ts'
import {
  type BridgeServer,
  CLOSE_TIMEOUT,
  cannotListen,
  drainThen,
  maxFrame,
  openBridge,
  type ServeOptions,
  urlOf,
} from './bridge-server.ts'

export type { BridgeServer, ServeOptions } from './bridge-server.ts'

/** The parts of Bun that this file uses. */
interface BunSocket {
  readonly data: SocketData
  readonly remoteAddress: string
  send(bytes: Uint8Array): number
  getBufferedAmount(): number
  close(code?: number, reason?: string): void
}

interface SocketData {
  readonly open: (socket: ClientSocket) => ClientConnection
  connection?: ClientConnection
}

interface BunServer {
  readonly port: number
  upgrade(request: Request, options: { data: SocketData }): boolean
  stop(closeConnections: boolean): Promise<void>
}

declare const Bun: {
  serve(options: {
    port: number
    hostname: string
    reusePort: boolean
    /** In s. */
    idleTimeout: number
    maxRequestBodySize: number
    fetch(request: Request, server: BunServer): Response | undefined | Promise<Response | undefined>
    websocket: {
      perMessageDeflate: boolean
      /** In s; 0 for never. */
      idleTimeout: number
      maxPayloadLength: number
      backpressureLimit: number
      open(socket: BunSocket): void
      message(socket: BunSocket, message: string | Uint8Array): void
      close(socket: BunSocket): void
    }
  }): BunServer
}

/** Seconds of silence after which Bun cuts a request. Longer than the largest timeout of `POST /request`. */
const IDLE_TIMEOUT = 120

/**
 * Starts a bridge on Bun's HTTP server. Resolves once it listens. The upstream is dialled in the background.
 *
 *     const server = await serve({ upstream: 'nats://127.0.0.1:4222', auth: { secret }, port: 8222 })
 *
 * @throws SpanwireError (as rejection) `invalid-argument`; `connection-refused` with Bun's error as `cause`, such as
 * EADDRINUSE
 */
export async function serve(options: ServeOptions): Promise<BridgeServer> {
  const { port = 0, host = '127.0.0.1', reusePort = false } = options
  const { bridge, release } = await openBridge(options, { schedule: setImmediate })
  const { maxPending } = bridge.hub.limits
  let server: BunServer
  try {
    server = Bun.serve({
      port,
      hostname: host,
      reusePort,
      idleTimeout: IDLE_TIMEOUT,
      maxRequestBodySize: 16 * 1024 * 1024,
      fetch: (request, bun) => answer(request, bun),
      websocket: {
        perMessageDeflate: false,
        // The bridge finds stale connections by PING.
        idleTimeout: 0,
        maxPayloadLength: maxFrame(bridge.hub.limits),
        // Beyond this Bun drops messages silently. The hub closes a slow consumer before.
        backpressureLimit: 2 * maxPending,
        open: (socket) => {
          socket.data.connection = socket.data.open({
            get unsent() {
              return socket.getBufferedAmount()
            },
            address: socket.remoteAddress,
            send: (bytes) => void socket.send(bytes),
            close: (code, reason) => socket.close(code, reason),
          })
        },
        message: (socket, message) => socket.data.connection?.receive(toBytes(message)),
        close: (socket) => socket.data.connection?.closed(),
      },
    })
  } catch (cause) {
    await release()
    throw cannotListen(host, port, cause)
  }

  /** Bun expects undefined for an upgraded request. */
  async function answer(request: Request, bun: BunServer): Promise<Response | undefined> {
    let upgraded = false
    const response = await bridge.app.fetch(request, {
      upgrade: (open) => {
        upgraded = bun.upgrade(request, { data: { open } })
        return new Response(null, { status: upgraded ? 200 : 400 })
      },
    })
    return upgraded ? undefined : response
  }

  const close = async () => {
    bridge.close()
    // Recent responses may still be in flight.
    await atMost(CLOSE_TIMEOUT, server.stop(false))
    await server.stop(true)
    await release()
  }
  const drain = drainThen(bridge, close)
  const { port: bound } = server
  return { bridge, url: urlOf(host, bound), port: bound, drain, close, [Symbol.asyncDispose]: close }
}

function toBytes(message: string | Uint8Array): Uint8Array {
  return typeof message === 'string' ? new TextEncoder().encode(message) : message
}
