import type { Events } from '../../sdk/contract/contract.ts'
import { maxFrame } from '../auth/limits.ts'
import type { ClientConnection, ClientSocket } from '../delivery/client-socket.ts'
import { isWebSocket } from '../http/connect-route.ts'
import { atMost } from '../hub/at-most.ts'
import {
  type BridgeServer,
  CLOSE_TIMEOUT,
  cannotListen,
  createBridgeServer,
  openBridge,
  type ServeOptions,
} from './bridge-server.ts'

export type { BridgeServer, ServeOptions } from './bridge-server.ts'
export type { Timeouts } from './timeouts.ts'

/** The parts of Bun that this file uses. */
interface BunSocket {
  readonly data: SocketData
  readonly remoteAddress: string
  send(bytes: Uint8Array): number
  getBufferedAmount(): number
  close(code?: number, reason?: string): void
  terminate(): void
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

/** Bun has one timeout for connections without a request and for requests without a response, in s: 255 at most. */
const MAX_IDLE = 255
/** In s. Longer than the largest timeout of `POST /request`. */
const MIN_IDLE = 70
/** Bytes of a refused request's body that are read and dropped. */
const MAX_DRAINED = 4 * 1024 * 1024

/**
 * Starts a bridge on Bun's HTTP server. Resolves once it listens. The upstream is dialled in the background.
 *
 *     const server = await serve({ upstream: 'nats://127.0.0.1:4222', auth: { secret }, port: 8222 })
 *
 * @throws SpanwireError (as rejection) `invalid-argument`; `connection-refused` with Bun's error as `cause`, such as
 * EADDRINUSE
 */
export async function serve<Contract extends Events>(options: ServeOptions<Contract>): Promise<BridgeServer> {
  const { port = 0, host = '127.0.0.1', reusePort = false } = options
  const { bridge, release, timeouts } = await openBridge(options, { schedule: setImmediate })
  const { limits } = bridge.hub
  let server: BunServer
  try {
    server = Bun.serve({
      port,
      hostname: host,
      reusePort,
      idleTimeout: Math.min(MAX_IDLE, Math.max(MIN_IDLE, Math.ceil(timeouts.keepAlive / 1_000))),
      maxRequestBodySize: Math.max(limits.maxBody, maxFrame(limits)),
      fetch: (request, bun) => answer(request, bun),
      websocket: {
        perMessageDeflate: false,
        // The bridge finds stale connections by PING.
        idleTimeout: 0,
        maxPayloadLength: maxFrame(limits),
        // Beyond this Bun drops messages silently. The hub closes a slow consumer before.
        backpressureLimit: 2 * limits.maxPending,
        open: (socket) => {
          socket.data.connection = socket.data.open({
            get unsent() {
              return socket.getBufferedAmount()
            },
            address: socket.remoteAddress,
            send: (bytes) => void socket.send(bytes),
            terminate: () => socket.terminate(),
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
    // Bun passes on targets that are not the path of a URL, such as the `*` of OPTIONS.
    if (!URL.canParse(request.url)) return new Response(null, { status: 400, headers: { Connection: 'close' } })
    let upgraded = false
    const response = await bridge.app.fetch(request, {
      upgrade: (open) => {
        upgraded = bun.upgrade(request, { data: { open } })
        return new Response(null, upgraded ? {} : { status: 400, headers: { Connection: 'close' } })
      },
    })
    if (upgraded) return undefined
    // A client that requests a WebSocket sends no other request.
    if (isWebSocket(request) || !(await drain(request))) response.headers.set('Connection', 'close')
    return response
  }

  return createBridgeServer(bridge, { host, port: server.port }, async () => {
    bridge.close()
    // Recent responses may still be in flight.
    await atMost(CLOSE_TIMEOUT, server.stop(false))
    await atMost(CLOSE_TIMEOUT, server.stop(true))
    await release()
  })
}

/**
 * Reads the rest of a refused request's body, within limits: a client reads the response only after it has sent all. Bun
 * itself would read without end. Returns whether the body has ended.
 */
async function drain({ body }: Request): Promise<boolean> {
  if (!body || body.locked) return true
  const reader = body.getReader()
  const late = new Promise<undefined>((resolve) => setTimeout(resolve, CLOSE_TIMEOUT))
  for (let read = 0; read < MAX_DRAINED; ) {
    const part = await Promise.race([reader.read(), late]).catch(() => undefined)
    if (!part) return false
    if (part.done) return true
    read += part.value.length
  }
  return false
}

function toBytes(message: string | Uint8Array): Uint8Array {
  return typeof message === 'string' ? new TextEncoder().encode(message) : message
}
