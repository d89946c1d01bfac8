import { type Bridge, createBridge } from '../bridge/bridge.ts'
import type { ClientConnection, ClientSocket } from '../bridge/hub/client-socket.ts'
import type { Limits } from '../bridge/limits.ts'
import { createUpstream } from '../bridge/upstream/connect.ts'
import type { Upstream } from '../bridge/upstream/upstream.ts'
import { toSendableClose } from './closing.ts'
import { readSettings, type WorkerEnv } from './env.ts'
import { toUnavailable } from './problem.ts'
import { type HibernatableSocket, type ObjectState, OPEN, upgradeResponse } from './runtime.ts'
import { Snapshots } from './snapshots.ts'

/** What a hub on Workers can be told beside its variables. */
export interface HubObjectOptions {
  /** Bounds of what clients may cost. Default: those of the bridge, but {@link MAX_CONNECTIONS} connections. */
  readonly limits?: Partial<Limits>
  /**
   * How long the upstream stays open after the last client has left, in ms. Default 10,000.
   * An open upstream keeps the object in memory, which is billed.
   */
  readonly linger?: number
}

/**
 * Connections of one hub. An object has 128 MB, and each idle client takes about 5 kB of it here, so this is what
 * memory and one core's worth of fan-out bear with room to spare.
 */
export const MAX_CONNECTIONS = 5_000
const LINGER = 10_000
/** How long a request waits for an upstream that is only now being dialled, in ms. */
const DIAL_PATIENCE = 3_000

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
  #running: { readonly bridge: Bridge; readonly upstream: Upstream } | undefined
  #requests = 0
  #lingering: ReturnType<typeof setTimeout> | undefined

  constructor(state: ObjectState, env: WorkerEnv, options: HubObjectOptions = {}) {
    this.#state = state
    this.#env = env
    this.#options = options
    this.#snapshots = new Snapshots(state.storage.kv)
    this.#restore()
  }

  async fetch(request: Request): Promise<Response> {
    this.#requests++
    try {
      const { bridge, upstream } = this.#start()
      await dialled(upstream)
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

  #restore(): void {
    const sockets = this.#state.getWebSockets().filter((socket) => socket.readyState === OPEN)
    for (const socket of sockets) {
      const session = this.#snapshots.load(socket)
      if (session?.identity) this.#adopt(socket, (client) => this.#start().bridge.hub.restore(client, session))
      // Its CONNECT may be lost, or never came: the client begins again.
      else close(socket, 1012, 'Server Restart')
    }
    this.#snapshots.sweep(sockets)
  }

  #upgrade(open: (socket: ClientSocket) => ClientConnection): Response {
    const { response, socket } = upgradeResponse()
    this.#state.acceptWebSocket(socket)
    this.#adopt(socket, open)
    return response
  }

  #adopt(socket: HibernatableSocket, open: (socket: ClientSocket) => ClientConnection): void {
    const connection = open({
      send: (bytes) => send(socket, bytes),
      close: (code, reason) => close(socket, code, reason),
      persist: (session) => this.#snapshots.save(socket, session),
    })
    this.#connections.set(socket, connection)
  }

  #forget(socket: HibernatableSocket): void {
    this.#connections.get(socket)?.closed()
    this.#connections.delete(socket)
    this.#snapshots.forget(socket)
    this.#settle()
  }

  /** The bridge, with its upstream: made with the first client or request. */
  #start(): { readonly bridge: Bridge; readonly upstream: Upstream } {
    clearTimeout(this.#lingering)
    if (this.#running) return this.#running
    const { secret, origins, upstream: url } = readSettings(this.#env)
    const upstream = createUpstream(url)
    const limits = { maxConnections: MAX_CONNECTIONS, ...this.#options.limits }
    this.#running = { upstream, bridge: createBridge({ upstream, origins, limits, auth: { secret } }) }
    return this.#running
  }

  /** Gives the upstream up some time after the last client has left: nobody pays for a hub that has none. */
  #settle(): void {
    clearTimeout(this.#lingering)
    if (!this.#running || this.#isNeeded || this.#env.UPSTREAM_URL === 'embedded') return
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

/** Resolves when a first connection is there, or has taken too long: what comes then knows how to wait. */
async function dialled(upstream: Upstream): Promise<void> {
  if (upstream.state !== 'connecting') return
  const { promise, resolve } = Promise.withResolvers<void>()
  const patience = setTimeout(resolve, DIAL_PATIENCE)
  const forget = upstream.onState(() => resolve())
  await promise
  clearTimeout(patience)
  forget()
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
