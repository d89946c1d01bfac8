import type { AuthOptions } from '../bridge/auth/authenticate.ts'
import { type Limits, maxFrame } from '../bridge/auth/limits.ts'
import { type Bridge, createBridge } from '../bridge/bridge.ts'
import { createEmbeddedUpstream } from '../bridge/broker/embedded.ts'
import { openObjectSql } from '../bridge/broker/jetstream/object-sql.ts'
import type { ContractOptions } from '../bridge/contract/contract-options.ts'
import type { ClientConnection, ClientSocket } from '../bridge/delivery/client-socket.ts'
import { createUpstream } from '../bridge/hosts/upstream-url.ts'
import { isMonitoring } from '../bridge/http/monitoring-routes.ts'
import { atMost } from '../bridge/hub/at-most.ts'
import type { HubOptions } from '../bridge/hub/hub.ts'
import type { NatsSocket } from '../bridge/upstream/nats-client.ts'
import type { BridgeSpans } from '../bridge/upstream/traced-upstream.ts'
import type { Upstream } from '../bridge/upstream/upstream.ts'
import type { Events } from '../sdk/contract/contract.ts'
import { readSettings, type WorkerEnv } from './env.ts'
import { ROOM_HEADER } from './hubs.ts'
import { problem, toUnavailable } from './problem-response.ts'
import { type HibernatableSocket, type ObjectState, OPEN, upgradeResponse } from './runtime.ts'
import { toSendableClose } from './sendable-close.ts'
import { Snapshots } from './snapshots.ts'
import { openTcpSocket } from './tcp-socket.ts'

/** Options of a hub on Workers, in addition to its variables. */
export interface HubObjectOptions<Contract extends Events = Events> extends ContractOptions<Contract> {
  /** Limits for clients. Default: the defaults of the bridge, with 5,000 connections. */
  readonly limits?: Partial<Limits>
  /** How long messages wait so that more of them share a socket write, in ms. Default 0. */
  readonly flushWindow?: HubOptions['flushWindow']
  /** Keys and rules for tokens. Default: HS256 with the variable AUTH_SECRET. */
  readonly auth?: AuthOptions
  /**
   * Adds spans of the hub to sampled traces, as the option `spans` of a bridge. `bridgeSpans()` of `spanwire/opentelemetry`
   * needs `@opentelemetry/api` and a provider that works in the Worker. Default: none.
   */
  readonly spans?: BridgeSpans
  /**
   * How long the upstream connection stays open after the last client left, in ms. Default 10,000.
   * An open connection keeps the object in memory, which is billed.
   */
  readonly linger?: number
  /**
   * Interval of the alarm that restores an evicted hub, in ms. Default 20,000. Without a message from a client, an
   * evicted hub delivers nothing until then. Each hub with clients uses one alarm per interval.
   */
  readonly watch?: number
}

/**
 * Connections of one hub. `CLIENTS_PER_HUB` assigns clients to other hubs before this limit is reached. A hub that exceeds
 * the 128 MB of an object would lose all clients at once. A connection uses 7.5 KiB of heap, so 5,000 use 37 MB. Whether
 * the 85 KiB that workerd uses for each socket count as well was not measured on Cloudflare.
 */
const MAX_CONNECTIONS = 5_000
const LINGER = 10_000
/** Time for a client to answer a close frame, in ms. */
const CLOSE_TIMEOUT = 10_000
/**
 * Memory for data of clients. An object has 128 MB for all: the runtime, its sockets, streams of replays and these.
 */
const MEMORY = { connection: 16 * 1024 * 1024, user: 16 * 1024 * 1024, hub: 32 * 1024 * 1024 }
const WATCH = 20_000
/** How long a request waits for the upstream connection to open, in ms. */
const DIAL_PATIENCE = 3_000

interface Running {
  readonly bridge: Bridge
  readonly upstream: Upstream
  readonly embedded: boolean
}

/**
 * One hub: the Durable Object that holds client sockets and one upstream connection.
 *
 * The object can lose its memory at any time while its sockets stay open. Its constructor then restores the sessions from
 * their snapshots and connects to NATS again. Clients see the states `reconnecting` and `open`.
 */
export class HubObject {
  readonly #state: ObjectState
  readonly #env: WorkerEnv
  readonly #options: HubObjectOptions
  readonly #snapshots: Snapshots
  readonly #connections = new Map<HibernatableSocket, ClientConnection>()
  #running: Running | undefined
  #requests = 0
  #watched = false
  #lingering: ReturnType<typeof setTimeout> | undefined

  constructor(state: ObjectState, env: WorkerEnv, options: HubObjectOptions = {}) {
    this.#state = state
    this.#env = env
    this.#options = options
    this.#snapshots = new Snapshots(state.storage.kv)
    try {
      this.#restore()
    } catch {
      // The variables became invalid. Requests respond with the error.
      for (const socket of state.getWebSockets()) close(socket, 1011, 'Not Configured')
    }
  }

  async fetch(request: Request): Promise<Response> {
    // Monitoring must not start a hub or keep it in memory.
    if (isMonitoring(request)) return this.#running?.bridge.app.fetch(request) ?? idle()
    if (this.#connections.size >= Number(request.headers.get(ROOM_HEADER) ?? Number.POSITIVE_INFINITY)) return full()
    this.#requests++
    try {
      const { bridge } = this.#start()
      // After that, the bridge responds that its upstream is unavailable.
      await atMost(DIAL_PATIENCE, bridge.hub.opened)
      return await bridge.app.fetch(request, { upgrade: (open) => this.#upgrade(request, open) })
    } catch (error) {
      return toUnavailable(error)
    } finally {
      this.#requests--
      this.#settle()
    }
  }

  webSocketMessage(socket: HibernatableSocket, message: ArrayBuffer | string): void {
    const bytes = typeof message === 'string' ? new TextEncoder().encode(message) : new Uint8Array(message)
    if (this.#running && bytes.length > maxFrame(this.#running.bridge.hub.limits)) return this.#refuse(socket)
    this.#connections.get(socket)?.receive(bytes)
  }

  webSocketClose(socket: HibernatableSocket, code: number, reason: string): void {
    this.#forget(socket)
    // Without a close frame in return, the client would wait for 10 s and see 1006.
    close(socket, code, reason)
  }

  webSocketError(socket: HibernatableSocket): void {
    this.#forget(socket)
  }

  /** The alarm makes the runtime construct the object, which restores its sessions. */
  alarm(): void {
    this.#watched = false
    this.#watch()
  }

  /** Sets the alarm that constructs the object again if it is evicted while it has clients. */
  #watch(): void {
    if (this.#watched || this.#connections.size === 0) return
    this.#watched = true
    this.#state.storage.setAlarm(Date.now() + (this.#options.watch ?? WATCH)).catch(() => {
      this.#watched = false
    })
  }

  #restore(): void {
    const sockets = this.#state.getWebSockets().filter((socket) => socket.readyState === OPEN)
    // Their alarm is still set, or is running now.
    this.#watched = sockets.length > 0
    for (const socket of sockets) {
      const session = this.#snapshots.load(socket)
      if (session?.identity) this.#adopt(socket, (client) => this.#start().bridge.hub.restore(client, session))
      // The session was not authenticated or not stored. The client reconnects on 1012.
      else close(socket, 1012, 'Server Restart')
    }
    this.#snapshots.sweep(sockets)
  }

  /** Opens a TCP connection to NATS. Tests override it. */
  protected openTcp(address: string, secure: boolean): NatsSocket {
    return openTcpSocket(address, secure)
  }

  #upgrade({ headers }: Request, open: (socket: ClientSocket) => ClientConnection): Response {
    const { response, socket } = upgradeResponse()
    this.#state.acceptWebSocket(socket)
    this.#adopt(socket, open, headers.get('CF-Connecting-IP') ?? undefined)
    return response
  }

  /** @param address unknown for a socket that outlived the memory of the object */
  #adopt(socket: HibernatableSocket, open: (socket: ClientSocket) => ClientConnection, address?: string): void {
    const connection = open({
      address,
      get unsent() {
        return socket.bufferedAmount ?? 0
      },
      send: (bytes) => send(socket, bytes),
      close: (code, reason) => {
        close(socket, code, reason)
        // Otherwise a client that does not answer the close frame keeps its place.
        setTimeout(() => this.#forget(socket), CLOSE_TIMEOUT)
      },
      persist: (session) => this.#snapshots.save(socket, session),
    })
    this.#connections.set(socket, connection)
    this.#watch()
  }

  /** Closes a client whose message is larger than other hosts take. */
  #refuse(socket: HibernatableSocket): void {
    this.#forget(socket)
    close(socket, 1009, 'Message Too Large')
  }

  #forget(socket: HibernatableSocket): void {
    this.#connections.get(socket)?.closed()
    this.#connections.delete(socket)
    this.#snapshots.forget(socket)
    this.#settle()
  }

  /** Creates the bridge and its upstream for the first client or request. */
  #start(): Running {
    clearTimeout(this.#lingering)
    if (this.#running) return this.#running
    const { upstream: url, creds, ...settings } = readSettings(this.#env, this.#options.auth)
    const upstream =
      url === 'embedded'
        ? createEmbeddedUpstream({ sql: openObjectSql(this.#state.storage) })
        : createUpstream(url, {
            openTcp: (address, secure) => this.openTcp(address, secure),
            ...(creds && { credentials: { creds } }),
          })
    const limits = { maxConnections: MAX_CONNECTIONS, memory: MEMORY, ...this.#options.limits }
    const { flushWindow = 0, spans, events, unknownSubjects, authorize } = this.#options
    const bridge = createBridge({
      ...settings,
      upstream,
      limits,
      flushWindow,
      ...(spans && { spans }),
      ...(events && { events }),
      ...(unknownSubjects && { unknownSubjects }),
      ...(authorize && { authorize }),
    })
    this.#running = { bridge, upstream, embedded: url === 'embedded' }
    return this.#running
  }

  /** Schedules the end of the upstream connection if the hub has no clients and no requests. */
  #settle(): void {
    clearTimeout(this.#lingering)
    // The embedded broker has no connection, and would lose its consumers and memory streams.
    if (!this.#running || this.#isNeeded || this.#running.embedded) return
    this.#lingering = setTimeout(() => this.#stop(), this.#options.linger ?? LINGER)
  }

  get #isNeeded(): boolean {
    return this.#connections.size > 0 || this.#requests > 0
  }

  #stop(): void {
    if (!this.#running || this.#isNeeded) return
    const { bridge, upstream } = this.#running
    this.#running = undefined
    bridge.close()
    // The hub has no clients that could be affected by an error.
    upstream.close().catch(() => {})
  }
}

/** The Worker tries another hub then. */
function full(): Response {
  const response = problem(503, 'upstream-unavailable', 'This hub has reached its number of clients.')
  response.headers.set(ROOM_HEADER, 'none')
  return response
}

function idle(): Response {
  return problem(503, 'upstream-unavailable', 'This hub has no clients.')
}

/** Ignores a socket that is already closed. */
function send(socket: HibernatableSocket, bytes: Uint8Array): void {
  try {
    socket.send(bytes)
  } catch {}
}

/** Ignores a socket that is already closed. */
function close(socket: HibernatableSocket, code: number, reason: string): void {
  try {
    socket.close(...toSendableClose(code, reason))
  } catch {}
}
