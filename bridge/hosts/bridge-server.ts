import type { Events } from '../../sdk/contract/contract.ts'
import { messageOf } from '../../sdk/kit/error-text.ts'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { createAuthenticator } from '../auth/authenticate.ts'
import { createHs256 } from '../auth/hmac.ts'
import { loadNatsAuth } from '../auth/nats-user.ts'
import { assembleBridge, type Bridge, type BridgeOptions } from '../bridge.ts'
import type { HostNames } from '../http/host-names.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { type InspectorOptions, inspectorRoutes } from './inspector-page.ts'
import { readTimeouts, type Timeouts } from './timeouts.ts'
import { createUpstream } from './upstream-url.ts'

/** Options of `serve`: a bridge as a server on Node, Bun or Deno. */
export interface ServeOptions<Contract extends Events = Events> extends Omit<BridgeOptions<Contract>, 'upstream'> {
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
  /**
   * Serves the inspector, a page for operators, at `/inspector` or another path. Requires `monitoring`: the page asks for its
   * key, and the key may then read messages, unless `monitoring.tail` is `false`. Default: off.
   */
  readonly inspector?: boolean | InspectorOptions
  /** How long the server waits for clients. */
  readonly timeouts?: Timeouts
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

const LOOPBACK = /^(127(\.\d{1,3}){3}|::1|localhost)$/i

/** An IPv6 address is in brackets (RFC 3986, section 3.2.2). */
function urlOf(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}

/**
 * The server of `serve`.
 * @param close closes all connections and the upstream. Called once. It must resolve without the help of clients
 */
export function createBridgeServer(
  bridge: Bridge,
  { host, port }: { readonly host: string; readonly port: number },
  close: () => Promise<void>,
): BridgeServer {
  let closing: Promise<void> | undefined
  const closeOnce = () => {
    closing ??= close()
    return closing
  }
  return {
    bridge,
    url: urlOf(host, port),
    port,
    async drain(patience = PATIENCE) {
      await bridge.hub.drain(patience)
      await closeOnce()
    },
    close: closeOnce,
    [Symbol.asyncDispose]: closeOnce,
  }
}

/** The error of `serve` if the port is not available. */
export function cannotListen(host: string, port: number, cause: unknown): SpanwireError {
  return new SpanwireError('connection-refused', `Can't listen on ${host}:${port}: ${messageOf(cause)}`, {
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
): Promise<{ bridge: Bridge; release: () => Promise<void>; timeouts: Required<Timeouts> }> {
  if (options.auth?.accounts?.length) await loadNatsAuth()
  const timeouts = readTimeouts(options.timeouts)
  const { upstream, release } = openUpstream(options)
  try {
    await upstream.prepare?.()
    const authenticate = createAuthenticator(options.auth ?? {}, options.clock, createHs256)
    const { bridge } = assembleBridge(
      { ...host, hosts: defaultHosts(options), ...withInspector(options), upstream },
      authenticate,
    )
    return { bridge, release, timeouts }
  } catch (error) {
    // It would keep connecting, and keep the process alive.
    await release()
    throw error
  }
}

function withInspector(options: ServeOptions): Omit<ServeOptions, 'inspector'> {
  const { inspector = false, monitoring, routes } = options
  if (inspector === false) return options
  if (!monitoring)
    throw new SpanwireError('invalid-argument', 'The inspector reads the monitoring routes. Set monitoring.key.')
  const page = inspectorRoutes(inspector === true ? {} : inspector, routes)
  return { ...options, monitoring: { tail: true, ...monitoring }, routes: page }
}

/** DNS rebinding gets a web page nothing where clients need credentials. */
function defaultHosts({ auth, host = '127.0.0.1' }: ServeOptions): HostNames {
  return auth?.anonymous && !LOOPBACK.test(host) ? [] : '*'
}

function openUpstream({ upstream }: ServeOptions): { upstream: Upstream; release: () => Promise<void> } {
  if (typeof upstream === 'object' && upstream !== null) return { upstream, release: async () => {} }
  const opened = createUpstream(upstream ?? '')
  return { upstream: opened, release: () => opened.close() }
}
