import { SpanwireError } from '../sdk/errors.ts'
import { createBridge } from './bridge.ts'
import type { ClientConnection, ClientSocket } from './hub/client-socket.ts'
import { type BridgeServer, openUpstream, type ServeOptions } from './server.ts'

export type { BridgeServer, ServeOptions } from './server.ts'

interface DenoServer {
  readonly addr: { readonly port: number }
  shutdown(): Promise<void>
}

/** The part of Deno that is used here, by its shape. */
declare const Deno: {
  serve(
    options: { port: number; hostname: string; signal: AbortSignal; onListen(): void },
    handler: (request: Request) => Response | Promise<Response>,
  ): DenoServer
  /** `idleTimeout` in s; 0 for never. */
  upgradeWebSocket(request: Request, options: { idleTimeout: number }): { socket: WebSocket; response: Response }
}

/**
 * Starts a bridge on Deno's own server. Resolves when it listens; the upstream is dialled in the background.
 * @throws SpanwireError `invalid-argument`; as cause of `connection-refused` Deno's own error, such as AddrInUse
 */
export async function serve(options: ServeOptions): Promise<BridgeServer> {
  const { port = 0, host = '127.0.0.1' } = options
  const { upstream, release } = openUpstream(options)
  const bridge = createBridge({ ...options, upstream })
  const sockets = new Set<WebSocket>()
  const ending = new AbortController()

  const upgrade = (request: Request, open: (socket: ClientSocket) => ClientConnection): Response => {
    // The bridge pings, and knows better than a timeout who is gone.
    const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: 0 })
    socket.binaryType = 'arraybuffer'
    let connection: ClientConnection | undefined
    socket.onopen = () => {
      sockets.add(socket)
      connection = open(toClientSocket(socket))
    }
    socket.onmessage = ({ data }) => connection?.receive(toBytes(data))
    // A close event always follows an error.
    socket.onclose = () => {
      sockets.delete(socket)
      connection?.closed()
    }
    return response
  }

  let server: DenoServer
  try {
    const listen = { port, hostname: host, signal: ending.signal, onListen() {} }
    server = Deno.serve(listen, (request) =>
      bridge.app.fetch(request, { upgrade: (open: Parameters<typeof upgrade>[1]) => upgrade(request, open) }),
    )
  } catch (cause) {
    await release()
    throw new SpanwireError('connection-refused', `Can't listen on ${host}:${port}: ${(cause as Error).message}`, {
      cause,
    })
  }

  const close = async () => {
    bridge.close()
    for (const socket of sockets) if (socket.readyState === WebSocket.OPEN) socket.close()
    ending.abort()
    await release()
  }
  const bound = server.addr.port
  return { bridge, url: `http://${host}:${bound}`, port: bound, close, [Symbol.asyncDispose]: close }
}

/** Closing codes below 3000 other than 1000 can't be sent by Deno's `close`, which follows the browser's rule. */
function toClientSocket(socket: WebSocket): ClientSocket {
  return {
    send: (bytes) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(bytes as Uint8Array<ArrayBuffer>)
    },
    close: (code, reason) => {
      if (socket.readyState === WebSocket.OPEN) socket.close(code, reason)
    },
  }
}

function toBytes(data: string | ArrayBuffer): Uint8Array {
  return typeof data === 'string' ? new TextEncoder().encode(data) : new Uint8Array(data)
}
