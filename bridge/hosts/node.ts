import { createServer, type IncomingMessage, type Server, STATUS_CODES } from 'node:http'
import type { AddressInfo, ListenOptions, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { WebSocket, WebSocketServer } from 'ws'
import type { Events } from '../../sdk/contract/contract.ts'
import { notInstalled } from '../../sdk/kit/optional-package.ts'
import { maxFrame } from '../auth/limits.ts'
import type { Bridge } from '../bridge.ts'
import type { ClientConnection, ClientSocket } from '../delivery/client-socket.ts'
import { atMost } from '../hub/at-most.ts'
import {
  type BridgeServer,
  CLOSE_TIMEOUT,
  cannotListen,
  createBridgeServer,
  openBridge,
  type ServeOptions,
} from './bridge-server.ts'
import { NodeSocket } from './node-socket.ts'
import { NodeSockets } from './node-sockets.ts'

export type { BridgeServer, ServeOptions } from './bridge-server.ts'
export type { Timeouts } from './timeouts.ts'

/** Time for a client to answer a close frame, in ms. Its session has ended, and its socket still counts. */
const ANSWER_TIMEOUT = 2_000
/** Sockets for HTTP requests, in addition to `limits.maxConnections`. */
const HTTP_SOCKETS = 2_000
/**
 * Connections that the kernel holds until the bridge accepts them; Linux limits it by net.core.somaxconn. The kernel drops
 * further ones, and their clients repeat them after 1, 3, 7 s. Node's default of 511 is too low for thousands of clients that
 * return at once.
 */
const LISTEN_BACKLOG = 4_096

/** The raw connection of an upgrade request. */
interface RawUpgrade {
  readonly request: IncomingMessage
  readonly socket: Socket
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
export async function serve<Contract extends Events>(options: ServeOptions<Contract>): Promise<BridgeServer> {
  const { port = 0, host = '127.0.0.1', reusePort = false } = options
  const { getRequestListener, WebSocketServer } = await loadPackages()
  const { bridge, release, timeouts } = await openBridge(options, { schedule: setImmediate })
  const { limits } = bridge.hub
  const { keepAlive: keepAliveTimeout, headers: headersTimeout, request: requestTimeout } = timeouts
  const server = createServer(
    // Other upgrades are ignored, and their requests answered as any other (RFC 9110, section 7.8).
    { keepAliveTimeout, headersTimeout, requestTimeout, shouldUpgradeCallback: isWebSocket },
    getRequestListener((request, { outgoing }) => bridge.app.fetch(request, { cut: () => void outgoing.destroy() })),
  )
  const sockets = new NodeSockets(server, timeouts, limits.maxConnections + HTTP_SOCKETS)
  const settings = {
    noServer: true,
    // Browsers offer compression. It doubles memory and multiplies CPU.
    perMessageDeflate: false,
    maxPayload: maxFrame(limits),
    closeTimeout: ANSWER_TIMEOUT,
  }
  const webSockets = new WebSocketServer(settings)
  server.on('upgrade', (request, socket, head) => {
    const raw = socket as Socket
    sockets.upgraded(raw)
    void upgrade(bridge, webSockets, { request, socket: raw, head })
  })
  try {
    await listen(server, { port, host, reusePort, backlog: LISTEN_BACKLOG })
  } catch (cause) {
    sockets.close()
    await release()
    throw cannotListen(host, port, cause)
  }
  return createBridgeServer(bridge, { host, port: (server.address() as AddressInfo).port }, async () => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    bridge.close()
    // Clients that do not answer the close are terminated.
    const open = [...webSockets.clients].map((socket) => new Promise((resolve) => socket.once('close', resolve)))
    await atMost(CLOSE_TIMEOUT, Promise.all(open))
    for (const socket of webSockets.clients) socket.terminate()
    server.closeIdleConnections()
    // Recent responses may still be in flight.
    await atMost(CLOSE_TIMEOUT, closed)
    sockets.close()
    await atMost(CLOSE_TIMEOUT, closed)
    await release()
  })
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

function isWebSocket({ method, headers }: IncomingMessage): boolean {
  return method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket'
}

/** Passes an upgrade request to the application, which upgrades the socket or responds. */
async function upgrade(
  bridge: Bridge,
  webSockets: WebSocketServer,
  { request, socket, head }: RawUpgrade,
): Promise<void> {
  socket.on('error', destroy)
  // Node before 24.9 has no `shouldUpgradeCallback`, and has stopped reading the request.
  if (!isWebSocket(request)) return refuse(socket, 426, { upgrade: 'websocket' }, 'Only WebSockets are supported.')
  let upgraded = false
  const accept = (open: (socket: ClientSocket) => ClientConnection) => {
    upgraded = true
    // The response leaves with the first message: one write less for each client.
    socket.cork()
    webSockets.handleUpgrade(request, socket, head, (ws) => adopt(ws, socket, open))
    return new Response(null)
  }
  try {
    // Not as a relative URL: `//evil.example/nats` would set its own host, and count as the page's own.
    const url = new URL(`http://${request.headers.host ?? 'localhost'}${request.url ?? '/'}`)
    const headers = Object.entries(request.headers).flatMap(([name, value]) =>
      typeof value === 'string' ? [[name, value] satisfies [string, string]] : [],
    )
    const response = await bridge.app.fetch(new Request(url, { headers }), { upgrade: accept })
    if (!upgraded) refuse(socket, response.status, Object.fromEntries(response.headers), await response.text())
  } catch {
    socket.destroy()
  }
}

/** Not a closure of the upgrade: it would keep the request alive as long as the socket. */
function destroy(this: Socket): void {
  this.destroy()
}

/** Answers an upgrade by HTTP, and closes the connection, also if the client does not. */
function refuse(socket: Duplex, status: number, headers: Readonly<Record<string, string>>, body: string): void {
  const lines = Object.entries(headers)
    .filter(([name]) => name !== 'connection' && name !== 'content-length')
    .map(([name, value]) => `${name}: ${value}\r\n`)
  const length = Buffer.byteLength(body)
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}content-length: ${length}\r\nconnection: close\r\n\r\n${body}`,
  )
  setTimeout(() => socket.destroy(), CLOSE_TIMEOUT).unref()
}

/** Connects a socket to the hub. A separate function, so that closures of the upgrade do not outlive it. */
function adopt(ws: WebSocket, socket: Socket, open: (socket: ClientSocket) => ClientConnection): void {
  ws.binaryType = 'nodebuffer'
  const client = new NodeSocket(ws, socket)
  const connection = open(client)
  ws.on('message', (data) => {
    client.received()
    connection.receive(data as Buffer)
  })
  socket.on('data', () => {
    if (client.grew()) connection.grown()
  })
  ws.on('close', () => connection.closed())
  ws.on('error', ignore)
}

/** `ws` reports protocol errors, and closes the socket. */
function ignore(): void {}
