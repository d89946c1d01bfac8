import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { WebSocket, WebSocketServer } from 'ws'
import { notInstalled } from '../../sdk/kit/optional-package.ts'
import type { Bridge } from '../bridge.ts'
import type { Allocate, ClientConnection, ClientSocket } from '../delivery/client-socket.ts'
import { atMost } from '../hub/at-most.ts'
import { allocateBuffer, writeFrame } from './node-frames.ts'
import {
  type BridgeServer,
  CLOSING_TIME,
  cannotListen,
  drainThen,
  maxFrame,
  openBridge,
  type ServeOptions,
  urlOf,
} from './server.ts'

export type { BridgeServer, ServeOptions } from './server.ts'

/**
 * Starts a bridge on Node's HTTP server. Resolves when it listens; the upstream is dialled in the background.
 * @throws SpanwireError `invalid-argument`, `unsupported` without the packages `ws` and `@hono/node-server`, and
 * `connection-refused`, whose cause is Node's error, such as EADDRINUSE
 */
export async function serve(options: ServeOptions): Promise<BridgeServer> {
  const { port = 0, host = '127.0.0.1' } = options
  const { getRequestListener, WebSocketServer } = await loadPackages()
  const { bridge, release } = await openBridge(options, { schedule: setImmediate })
  const server = createServer(
    getRequestListener((request, { outgoing }) => bridge.app.fetch(request, { cut: () => void outgoing.destroy() })),
  )
  // Browsers offer compression; it doubles memory and multiplies CPU, so it is off.
  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: maxFrame(bridge.hub.limits),
  })
  server.on('upgrade', (request, socket, head) => upgrade(bridge, sockets, request, socket, head))
  try {
    await listen(server, port, host)
  } catch (cause) {
    await release()
    throw cannotListen(host, port, cause)
  }
  const close = async () => {
    bridge.close()
    // Clients are told why; those that don't answer are not waited for.
    const left = [...sockets.clients].map((socket) => new Promise((resolve) => socket.once('close', resolve)))
    await atMost(CLOSING_TIME, Promise.all(left))
    for (const socket of sockets.clients) socket.terminate()
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    server.closeIdleConnections()
    // What was answered a moment ago is on its way.
    await atMost(CLOSING_TIME, closed)
    server.closeAllConnections()
    await closed
    await release()
  }
  const drain = drainThen(bridge, close)
  const bound = (server.address() as AddressInfo).port
  return { bridge, url: urlOf(host, bound), port: bound, drain, close, [Symbol.asyncDispose]: close }
}

async function loadPackages() {
  const missing = notInstalled('A bridge on Node', 'ws', '@hono/node-server')
  const [{ getRequestListener }, { WebSocketServer }] = await Promise.all([
    import('@hono/node-server').catch(missing),
    import('ws').catch(missing),
  ])
  return { getRequestListener, WebSocketServer }
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

/** Asks the application; it upgrades the socket, or answers with a refusal. */
async function upgrade(
  bridge: Bridge,
  sockets: WebSocketServer,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  socket.on('error', () => socket.destroy())
  let upgraded = false
  const accept = (open: (socket: ClientSocket) => ClientConnection) => {
    upgraded = true
    sockets.handleUpgrade(request, socket, head, (ws) => adopt(ws, socket, open))
    return new Response(null)
  }
  try {
    // Not as a relative URL: `//evil.example/nats` would name its own host, and so be a page's own.
    const url = new URL(`http://${request.headers.host ?? 'localhost'}${request.url ?? '/'}`)
    const headers = Object.entries(request.headers).flatMap(([name, value]) =>
      typeof value === 'string' ? [[name, value] as [string, string]] : [],
    )
    const response = await bridge.app.fetch(new Request(url, { headers }), { upgrade: accept })
    if (!upgraded) socket.end(await refusal(response))
  } catch {
    socket.destroy()
  }
}

/** The hub's side of a client's socket. */
class NodeSocket implements ClientSocket {
  readonly #ws: WebSocket
  readonly #socket: Duplex
  readonly allocate: Allocate = allocateBuffer

  constructor(ws: WebSocket, socket: Duplex) {
    this.#ws = ws
    this.#socket = socket
  }

  get unsent(): number {
    return this.#socket.writableLength
  }

  /** Past `ws`, which would encode it anew for each client and write it in two parts. */
  send(bytes: Uint8Array): void {
    if (this.#ws.readyState === this.#ws.OPEN) writeFrame(this.#socket, bytes)
  }

  close(code: number, reason: string): void {
    this.#ws.close(code, reason)
    // Behind all that isn't read there is its answer: not worth reading.
    if (this.#ws.isPaused) setTimeout(() => this.#ws.terminate(), CLOSING_TIME)
  }

  pause(): void {
    this.#ws.pause()
  }

  resume(): void {
    this.#ws.resume()
  }
}

/** Joins a socket and the hub. Apart from the upgrade: what it knows would stay for as long as the connection. */
function adopt(ws: WebSocket, socket: Duplex, open: (socket: ClientSocket) => ClientConnection): void {
  ws.binaryType = 'nodebuffer'
  const connection = open(new NodeSocket(ws, socket))
  ws.on('message', (data) => connection.receive(data as Buffer))
  ws.on('close', () => connection.closed())
  ws.on('error', ignore)
}

/** `ws` reports protocol errors and closes; there is nothing to add. */
function ignore(): void {}

async function refusal(response: Response): Promise<string> {
  const body = await response.text()
  const headers = [...response.headers]
    .filter(([name]) => name !== 'connection' && name !== 'upgrade')
    .map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${response.status} Refused\r\n${headers.join('')}content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`
}
