import type { AuthOptions } from '../bridge/auth/authenticate.ts'
import type { Limits } from '../bridge/auth/limits.ts'
import { type Bridge, createBridge } from '../bridge/bridge.ts'
import { createEmbeddedUpstream } from '../bridge/broker/embedded.ts'
import { openObjectSql } from '../bridge/broker/jetstream/object-sql.ts'
import type { ClientConnection, ClientSocket } from '../bridge/delivery/client-socket.ts'
import { createUpstream } from '../bridge/hosts/upstream-url.ts'
import { isMonitoring } from '../bridge/http/monitoring-routes.ts'
import { atMost } from '../bridge/hub/at-most.ts'
import type { HubOptions } from '../bridge/hub/hub.ts'
import type { NatsSocket } from '../bridge/upstream/nats-client.ts'
import type { Upstream } from '../bridge/upstream/upstream.ts'
import { toSendableClose } from './closing.ts'
import { readSettings, type WorkerEnv } from './env.ts'
import { ROOM_HEADER } from './hubs.ts'
import { problem, toUnavailable } from './problem.ts'
import { type HibernatableSocket, type ObjectState, OPEN, upgradeResponse } from './runtime.ts'
import { Snapshots } from './snapshots.ts'
import { openTcpSocket } from './tcp-socket.ts'

/** What a hub on Workers can be told beside its variables. */
export interface HubObjectOptions {
  /** Bounds of what clients may cost. Default: those of the bridge, but {@link MAX_CONNECTIONS} connections. */
  readonly limits?: Partial<Limits>
  /** As of the bridge: how long messages may wait so that more of them go out together, in ms. Default 0. */
  readonly flushWindow?: HubOptions['flushWindow']
  /** How tokens are checked, and with which keys. Default: HS256 with the variable AUTH_SECRET. */
  readonly auth?: AuthOptions
  /**
   * How long the upstream stays open after the last client has left, in ms. Default 10,000.
   * An open upstream keeps the object in memory, which is billed.
   */
  readonly linger?: number
  /**
   * How soon a hub that was taken from memory is back though none of its clients says a word, in ms. Default 20,000.
   * Until then its clients hear nothing. Costs one alarm per interval and hub that has clients.
   */
  readonly watch?: number
}

/**
 * Connections of one hub, at most; `CLIENTS_PER_HUB` spreads them before that. Without a limit a crowd takes the object's
 * 128 MB, and everybody loses the hub at once. At the 7.5 KiB of heap for each these are 37 MB; whether what workerd has of
 * its own for each socket (85 KiB) counts too, nobody has measured on Cloudflare yet.
 */
export const MAX_CONNECTIONS = 5_000
const LINGER = 10_000
const WATCH = 20_000
/** How long a request waits for an upstream that is only now being dialled, in ms. */
const DIAL_PATIENCE = 3_000

interface Running {
  readonly bridge: Bridge
  readonly upstream: Upstream
  readonly embedded: boolean
}

/**
 * One hub: the Durable Object that holds client sockets and the one upstream connection.
 *
 * The object can lose its memory at any time while the sockets stay. Its constructor then rebuilds the sessions from
 * what the sockets carry and dials NATS again; clients see `reconnecting` and `open` pass by.
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
      // Its variables are no longer such that a bridge can be made of them: every request says so.
      for (const socket of state.getWebSockets()) close(socket, 1011, 'Not Configured')
    }
  }

  async fetch(request: Request): Promise<Response> {
    // Whoever only looks wakes nobody, and keeps nobody awake.
    if (isMonitoring(request)) return this.#running?.bridge.app.fetch(request) ?? asleep()
    if (this.#connections.size >= Number(request.headers.get(ROOM_HEADER) ?? Number.POSITIVE_INFINITY)) return full()
    this.#requests++
    try {
      const { bridge } = this.#start()
      // Whoever comes before NATS is within reach is told so by the bridge.
      await atMost(DIAL_PATIENCE, bridge.hub.opened)
      return await bridge.app.fetch(request, { upgrade: (open) => this.#upgrade(open) })
    } catch (error) {
      return toUnavailable(error)
    } finally {
      this.#requests--
      this.#settle()
    }
  }

  webSocketMessage(socket: HibernatableSocket, message: ArrayBuffer | string): void {
    const bytes = typeof message === 'string' ? new TextEncoder().encode(message) : new Uint8Array(message)
    this.#connections.get(socket)?.receive(bytes)
  }

  webSocketClose(socket: HibernatableSocket, code: number, reason: string): void {
    this.#forget(socket)
    // Without an answer the client would wait 10 s and see 1006.
    close(socket, code, reason)
  }

  webSocketError(socket: HibernatableSocket): void {
    this.#forget(socket)
  }

  /** Only the alarm's coming counts: it has made the runtime construct the object. */
  alarm(): void {
    this.#watched = false
    this.#watch()
  }

  /** Sees to it that the object is constructed again if it is taken from memory while it has clients. */
  #watch(): void {
    if (this.#watched || this.#connections.size === 0) return
    this.#watched = true
    this.#state.storage.setAlarm(Date.now() + (this.#options.watch ?? WATCH)).catch(() => {
      this.#watched = false
    })
  }

  #restore(): void {
    const sockets = this.#state.getWebSockets().filter((socket) => socket.readyState === OPEN)
    // The alarm that was set for them is still to come, or is why we are here.
    this.#watched = sockets.length > 0
    for (const socket of sockets) {
      const session = this.#snapshots.load(socket)
      if (session?.identity) this.#adopt(socket, (client) => this.#start().bridge.hub.restore(client, session))
      // Its CONNECT may be lost, or never came: the client begins again.
      else close(socket, 1012, 'Server Restart')
    }
    this.#snapshots.sweep(sockets)
  }

  /** The way to NATS by TCP. */
  protected openTcp(address: string, secure: boolean): NatsSocket {
    return openTcpSocket(address, secure)
  }

  #upgrade(open: (socket: ClientSocket) => ClientConnection): Response {
    const { response, socket } = upgradeResponse()
    this.#state.acceptWebSocket(socket)
    this.#adopt(socket, open)
    return response
  }

  #adopt(socket: HibernatableSocket, open: (socket: ClientSocket) => ClientConnection): void {
    const connection = open({
      get unsent() {
        return socket.bufferedAmount ?? 0
      },
      send: (bytes) => send(socket, bytes),
      close: (code, reason) => close(socket, code, reason),
      persist: (session) => this.#snapshots.save(socket, session),
    })
    this.#connections.set(socket, connection)
    this.#watch()
  }

  #forget(socket: HibernatableSocket): void {
    this.#connections.get(socket)?.closed()
    this.#connections.delete(socket)
    this.#snapshots.forget(socket)
    this.#settle()
  }

  /** The bridge, with its upstream: made with the first client or request. */
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
    const limits = { maxConnections: MAX_CONNECTIONS, ...this.#options.limits }
    const { flushWindow = 0 } = this.#options
    const bridge = createBridge({ ...settings, upstream, limits, flushWindow })
    this.#running = { bridge, upstream, embedded: url === 'embedded' }
    return this.#running
  }

  /** Gives the upstream up some time after the last client has left: nobody pays for a hub that has none. */
  #settle(): void {
    clearTimeout(this.#lingering)
    // The embedded upstream costs nothing, and would forget its consumers and the streams that it has in memory.
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
    // Nobody waits for it, and there is nobody to tell.
    upstream.close().catch(() => {})
  }
}

/** For the Worker, which looks for another hub. */
function full(): Response {
  const response = problem(503, 'upstream-unavailable', 'This hub has clients enough.')
  response.headers.set(ROOM_HEADER, 'none')
  return response
}

function asleep(): Response {
  return problem(503, 'upstream-unavailable', 'This hub has no clients.')
}

/** A socket that is already gone ignores both. */
function send(socket: HibernatableSocket, bytes: Uint8Array): void {
  try {
    socket.send(bytes)
  } catch {}
}

function close(socket: HibernatableSocket, code: number, reason: string): void {
  try {
    socket.close(...toSendableClose(code, reason))
  } catch {}
}
