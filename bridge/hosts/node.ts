import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo, ListenOptions } from 'node:net'
import type { Duplex } from 'node:stream'
import type { WebSocket, WebSocketServer } from 'ws'
import { notInstalled } from '../../sdk/kit/optional-package.ts'
import type { Bridge } from '../bridge.ts'
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
import { NodeSocket } from './node-socket.ts'

export type { BridgeServer, ServeOptions } from './bridge-server.ts'

/** The raw connection of an upgrade request. */
interface RawUpgrade {
  readonly request: IncomingMessage
  readonly socket: Duplex
  /** First bytes of the upgraded stream. */
  readonly head: Buffer
}

/**
 * Starts a bridge on Node's HTTP server. Resolves once it listens. The upstream is dialled in the background.
 *
 *     const server = await serve({ upstream: 'nats://127.0.0.1:4222', auth: { secret }, port: 8222 })
 *
 * @throws SpanwireError (as rejection) `invalid-argument`, `unsupported` without the packages `ws` and `@hono/node-server`,
 * and `connection-refused` with Node's error as `cause`, such as EADDRINUSE
 */
export async function serve(options: ServeOptions): Promise<BridgeServer> {
  const { port = 0, host = '127.0.0.1', reusePort = false } = options
  const { getRequestListener, WebSocketServer } = await loadPackages()
  const { bridge, release } = await openBridge(options, { schedule: setImmediate })
  const server = createServer(
    getRequestListener((request, { outgoing }) => bridge.app.fetch(request, { cut: () => void outgoing.destroy() })),
  )
  // Without compression, which browsers offer: it doubles memory and multiplies CPU.
  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: maxFrame(bridge.hub.limits),
  })
  server.on('upgrade', (request, socket, head) => upgrade(bridge, sockets, { request, socket, head }))
  try {
    await listen(server, { port, host, reusePort })
  } catch (cause) {
    await release()
    throw cannotListen(host, port, cause)
  }
  const close = async () => {
    bridge.close()
    // Clients that do not answer the close are terminated.
    const open = [...sockets.clients].map((socket) => new Promise((resolve) => socket.once('close', resolve)))
    await atMost(CLOSE_TIMEOUT, Promise.all(open))
    for (const socket of sockets.clients) socket.terminate()
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    server.closeIdleConnections()
    // Recent responses may still be in flight.
    await atMost(CLOSE_TIMEOUT, closed)
    server.closeAllConnections()
    await closed
    await release()
  }
  const drain = drainThen(bridge, close)
  const bound = (server.address() as AddressInfo).port
  return { bridge, url: urlOf(host, bound), port: bound, drain, close, [Symbol.asyncDispose]: close }
}

async function loadPackages() {
  const missing = notInstalled('A bridge on Node or Deno', 'ws', '@hono/node-server')
  const [{ getRequestListener }, { WebSocketServer }] = await Promise.all([
    import('@hono/node-server').catch(missing),
    import('ws').catch(missing),
  ])
  return { getRequestListener, WebSocketServer }
}

function listen(server: Server, options: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(options, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

/** Passes an upgrade request to the application, which upgrades the socket or responds. */
async function upgrade(bridge: Bridge, sockets: WebSocketServer, { request, socket, head }: RawUpgrade): Promise<void> {
  socket.on('error', () => socket.destroy())
  let upgraded = false
  const accept = (open: (socket: ClientSocket) => ClientConnection) => {
    upgraded = true
    sockets.handleUpgrade(request, socket, head, (ws) => adopt(ws, socket, open))
    return new Response(null)
  }
  try {
    // Not as a relative URL: `//evil.example/nats` would set its own host, and count as the page's own.
    const url = new URL(`http://${request.headers.host ?? 'localhost'}${request.url ?? '/'}`)
    const headers = Object.entries(request.headers).flatMap(([name, value]) =>
      typeof value === 'string' ? [[name, value] as [string, string]] : [],
    )
    const response = await bridge.app.fetch(new Request(url, { headers }), { upgrade: accept })
    if (!upgraded) socket.end(await encodeResponse(response))
  } catch {
    socket.destroy()
  }
}

/** Connects a socket to the hub. A separate function, so that closures of the upgrade do not outlive it. */
function adopt(ws: WebSocket, socket: Duplex, open: (socket: ClientSocket) => ClientConnection): void {
  ws.binaryType = 'nodebuffer'
  const connection = open(new NodeSocket(ws, socket))
  ws.on('message', (data) => connection.receive(data as Buffer))
  ws.on('close', () => connection.closed())
  ws.on('error', ignore)
}

/** `ws` reports protocol errors, and closes the socket. */
function ignore(): void {}

async function encodeResponse(response: Response): Promise<string> {
  const body = await response.text()
  const headers = [...response.headers]
    .filter(([name]) => name !== 'connection' && name !== 'upgrade')
    .map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${response.status} Refused\r\n${headers.join('')}content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`
}
