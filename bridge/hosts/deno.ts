import type { ClientConnection, ClientSocket } from '../delivery/client-socket.ts'
import { atMost } from '../hub/at-most.ts'
import {
  type BridgeServer,
  CLOSING_TIME,
  cannotListen,
  drainThen,
  openBridge,
  type ServeOptions,
  urlOf,
} from './bridge-server.ts'

export type { BridgeServer, ServeOptions } from './bridge-server.ts'

interface DenoServer {
  readonly addr: { readonly port: number }
  shutdown(): Promise<void>
}

/** The part of Deno that is used here, by its shape. */
declare const Deno: {
  serve(
    options: { port: number; hostname: string; reusePort: boolean; signal: AbortSignal; onListen(): void },
    handler: (request: Request) => Response | Promise<Response>,
  ): DenoServer
  /** `idleTimeout` in s; 0 for never. */
  upgradeWebSocket(request: Request, options: { idleTimeout: number }): { socket: WebSocket; response: Response }
}

/**
 * How long a close waits for what is on its way from the client, in ms. Deno 2.9 cuts the connection without a close
 * code (the client sees 1006) if anything comes in once `close` was called.
 */
const CLOSE_DELAY = 50
/** How long clients may take to answer a close when the server shuts down, in ms. */
const SHUTDOWN_PATIENCE = 1_000

/**
 * Starts a bridge on Deno's own server. Resolves when it listens; the upstream is dialled in the background.
 * @throws SpanwireError `invalid-argument`; as cause of `connection-refused` Deno's own error, such as AddrInUse
 */
export async function serve(options: ServeOptions): Promise<BridgeServer> {
  const { port = 0, host = '127.0.0.1', reusePort = false } = options
  const { bridge, release } = await openBridge(options)
  const sockets = new Map<WebSocket, Promise<void>>()
  const ending = new AbortController()

  const upgrade = (request: Request, open: (socket: ClientSocket) => ClientConnection): Response => {
    // The bridge pings, and knows better than a timeout who is gone.
    const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: 0 })
    socket.binaryType = 'arraybuffer'
    const ended = Promise.withResolvers<void>()
    let connection: ClientConnection | undefined
    socket.onopen = () => {
      sockets.set(socket, ended.promise)
      connection = open(toClientSocket(socket))
    }
    socket.onmessage = ({ data }) => connection?.receive(toBytes(data))
    // A close event always follows an error.
    socket.onclose = () => {
      sockets.delete(socket)
      ended.resolve()
      connection?.closed()
    }
    return response
  }

  let server: DenoServer
  try {
    const listen = { port, hostname: host, reusePort, signal: ending.signal, onListen() {} }
    server = Deno.serve(listen, (request) =>
      bridge.app.fetch(request, { upgrade: (open: Parameters<typeof upgrade>[1]) => upgrade(request, open) }),
    )
  } catch (cause) {
    await release()
    throw cannotListen(host, port, cause)
  }

  const close = async () => {
    bridge.close()
    await atMost(SHUTDOWN_PATIENCE, Promise.all(sockets.values()))
    // What was answered a moment ago is on its way; event streams have no end of their own.
    let isOver = false
    await atMost(
      CLOSING_TIME,
      server.shutdown().then(() => (isOver = true)),
    )
    if (!isOver) ending.abort()
    await release()
  }
  const bound = server.addr.port
  const drain = drainThen(bridge, close)
  return { bridge, url: urlOf(host, bound), port: bound, drain, close, [Symbol.asyncDispose]: close }
}

function toClientSocket(socket: WebSocket): ClientSocket {
  return {
    get unsent() {
      return socket.bufferedAmount
    },
    send: (bytes) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(bytes as Uint8Array<ArrayBuffer>)
    },
    close: (code, reason) => {
      setTimeout(() => {
        if (socket.readyState === WebSocket.OPEN) socket.close(code, reason)
      }, CLOSE_DELAY)
    },
  }
}

function toBytes(data: string | ArrayBuffer): Uint8Array {
  return typeof data === 'string' ? new TextEncoder().encode(data) : new Uint8Array(data)
}
