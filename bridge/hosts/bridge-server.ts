import { SpanwireError } from '../../sdk/wire/errors.ts'
import type { Limits } from '../auth/limits.ts'
import { loadNatsAuth } from '../auth/nats-user.ts'
import { type Bridge, type BridgeOptions, createBridge } from '../bridge.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { createUpstream } from './upstream-url.ts'

/** Options of `serve`: a bridge as a server on Node, Bun or Deno. */
export interface ServeOptions extends Omit<BridgeOptions, 'upstream'> {
  /** A NATS URL (`nats://`, `tls://`, `ws://`, `wss://`), `embedded`, `embedded:/path/of/file.db`, or an {@link Upstream}. */
  readonly upstream: string | Upstream
  /** Port to listen on. Default 0: any free port. */
  readonly port?: number
  /** Address to listen on. Default `127.0.0.1`. Use `0.0.0.0` for all interfaces. */
  readonly host?: string
  /**
   * Lets other processes listen on the same port, on Linux. Requires `port`. On Node, processes can also share a port with
   * `node:cluster`. Default `false`.
   */
  readonly reusePort?: boolean
}

/** A running bridge. */
export interface BridgeServer {
  /** The bridge itself. */
  readonly bridge: Bridge
  /** URL of the server, such as `http://127.0.0.1:8222`. */
  readonly url: string
  /** Port on which it listens. */
  readonly port: number
  /**
   * Shuts down a server that is replaced by another one. It accepts no more clients (`/healthz` responds with 503),
   * requests the others to reconnect, and closes once they have left. Spanwire's client waits for confirmations before it
   * reconnects, so no publish is lost.
   * @param patience time after which it closes at the latest, in ms. Default 10,000
   */
  drain(patience?: number): Promise<void>
  /** Closes all connections, and the upstream unless the caller passed one. Idempotent. */
  close(): Promise<void>
  /** Same as `close`. */
  [Symbol.asyncDispose](): Promise<void>
}

/** Time for data in flight when a server closes, such as the answers to close frames, in ms. */
export const CLOSE_TIMEOUT = 500
/** Default of `drain`, in ms. */
const PATIENCE = 10_000

/** Clients join all messages of one turn in one frame, regardless of their limit. nats.ws does so up to 32 KiB and a message. */
const MIN_FRAME = 1024 * 1024

/** Largest WebSocket message, in bytes. Frames have no meaning in the protocol (T-4), so this only bounds memory. */
export function maxFrame({ maxPayload }: Limits): number {
  return Math.max(2 * maxPayload, MIN_FRAME)
}

/** An IPv6 address is in brackets (RFC 3986, section 3.2.2). */
export function urlOf(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** The `drain` of a server with that `close`. */
export function drainThen({ hub }: Bridge, close: () => Promise<void>): BridgeServer['drain'] {
  return async (patience = PATIENCE) => {
    await hub.drain(patience)
    await close()
  }
}

/** The error of `serve` if the port is not available. */
export function cannotListen(host: string, port: number, cause: unknown): SpanwireError {
  return new SpanwireError('connection-refused', `Can't listen on ${host}:${port}: ${(cause as Error).message}`, {
    cause,
  })
}

/**
 * Creates a bridge from the options of a server, and a function that closes its upstream unless the caller passed one.
 * @param host options of this kind of host
 * @throws SpanwireError (as rejection) `invalid-argument`, and `unsupported` if a package for `auth.accounts` is missing
 */
export async function openBridge(
  options: ServeOptions,
  host: Pick<BridgeOptions, 'schedule'> = {},
): Promise<{ bridge: Bridge; release: () => Promise<void> }> {
  if (options.auth?.accounts?.length) await loadNatsAuth()
  const { upstream, release } = openUpstream(options)
  try {
    return { bridge: createBridge({ ...host, ...options, upstream }), release }
  } catch (error) {
    // It would keep connecting, and keep the process alive.
    await release()
    throw error
  }
}

function openUpstream({ upstream }: ServeOptions): { upstream: Upstream; release: () => Promise<void> } {
  if (typeof upstream === 'object' && upstream !== null) return { upstream, release: async () => {} }
  const opened = createUpstream(upstream ?? '')
  return { upstream: opened, release: () => opened.close() }
}
