import { SpanwireError } from '../../sdk/wire/errors.ts'
import type { Limits } from '../auth/limits.ts'
import { loadNatsAuth } from '../auth/nats-user.ts'
import { type Bridge, type BridgeOptions, createBridge } from '../bridge.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { createUpstream } from './upstream-url.ts'

/** How to run a bridge as a server of its own, on Node, Bun or Deno. */
export interface ServeOptions extends Omit<BridgeOptions, 'upstream'> {
  /** A NATS URL (`nats://`, `tls://`, `ws://`, `wss://`), `embedded`, or an {@link Upstream} of your own. */
  readonly upstream: string | Upstream
  /** Default 0: any free port. */
  readonly port?: number
  /** Address to listen on. Default `127.0.0.1`; give `0.0.0.0` to be reached from elsewhere. */
  readonly host?: string
  /**
   * Lets other processes listen on the same port, on Bun and Deno on Linux; `port` must be given. On Node processes share
   * a port by `node:cluster`, which needs no option. Default false.
   */
  readonly reusePort?: boolean
}

/** A running bridge. */
export interface BridgeServer {
  readonly bridge: Bridge
  /** Such as `http://127.0.0.1:8222`. */
  readonly url: string
  readonly port: number
  /**
   * For a server that is replaced by another: takes in no more clients (`/healthz` says so by 503), asks those that are
   * there to go elsewhere, and closes when they have, or after `patience` ms (default 10,000). Spanwire's client has
   * everything confirmed and then dials again, so that no publish is lost; others stay until they are closed.
   */
  drain(patience?: number): Promise<void>
  /** Ends all connections, and the upstream unless it was given. Idempotent. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** For what is still on its way when a server closes, such as a closing handshake that may not come, in ms. */
export const CLOSING_TIME = 500
/** How long clients may take to leave by themselves, in ms. */
const PATIENCE = 10_000

/** A client joins what it sends in one turn, however small each message must be; nats.ws up to 32 KiB and a message. */
const MIN_FRAME = 1024 * 1024

/** Largest WebSocket message that is taken, in bytes: frames mean nothing (T-4), so it has only to be bounded. */
export function maxFrame({ maxPayload }: Limits): number {
  return Math.max(2 * maxPayload, MIN_FRAME)
}

/** An IPv6 address stands in brackets (RFC 3986, 3.2.2). */
export function urlOf(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** The `drain` of a server whose `close` is given. */
export function drainThen({ hub }: Bridge, close: () => Promise<void>): BridgeServer['drain'] {
  return async (patience = PATIENCE) => {
    await hub.drain(patience)
    await close()
  }
}

/** What `serve` throws when the port can't be had. */
export function cannotListen(host: string, port: number, cause: unknown): SpanwireError {
  return new SpanwireError('connection-refused', `Can't listen on ${host}:${port}: ${(cause as Error).message}`, {
    cause,
  })
}

/**
 * The bridge that the options describe, and how to give its upstream up: one that was given stays its owner's.
 * @param host options that depend on the runtime
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
    // It would dial for ever, and keep the process alive.
    await release()
    throw error
  }
}

function openUpstream({ upstream }: ServeOptions): { upstream: Upstream; release: () => Promise<void> } {
  if (typeof upstream === 'object' && upstream !== null) return { upstream, release: async () => {} }
  const opened = createUpstream(upstream ?? '')
  return { upstream: opened, release: () => opened.close() }
}
