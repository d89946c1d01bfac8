import { Hono, type MiddlewareHandler } from 'hono'
import type { Events } from '../sdk/contract/contract.ts'
import { SpanwireError } from '../sdk/wire/errors.ts'
import { type Authenticate, type AuthOptions, createAuthenticator } from './auth/authenticate.ts'
import { explainRefusal } from './auth/refusal-notice.ts'
import { type AdminOptions, adminRoutes } from './http/admin-routes.ts'
import { closeAfterBody } from './http/body.ts'
import { connectRoute, type HostBindings, refuseWebSockets } from './http/connect-route.ts'
import { eventsRoute } from './http/events-route.ts'
import { tokenFinder, urlTokenFinder } from './http/find-token.ts'
import { healthRoute } from './http/health-route.ts'
import { historyRoute } from './http/history-route.ts'
import { allowHostNames, checkHostNames, type HostNames } from './http/host-names.ts'
import { dialLocally } from './http/hub-line.ts'
import { identify } from './http/identify.ts'
import { type MonitoringOptions, monitoringRoutes } from './http/monitoring-routes.ts'
import { allowOrigins, checkOrigins, type Origins } from './http/origins.ts'
import { problem, toProblem } from './http/problem.ts'
import { publishRoutes, requestRoutes } from './http/publish-routes.ts'
import { logRefusal } from './http/refusal-log.ts'
import { receiveForwarded } from './http/tunnel-forward.ts'
import { tunnelInput, tunnelStream } from './http/tunnel-routes.ts'
import { Tunnels } from './http/tunnels.ts'
import type { Hub, HubOptions } from './hub/hub.ts'
import { HubCore } from './hub/hub-core.ts'
import { type HubGroup, Peers } from './hub/peers.ts'
import { type BridgeSpans, traceUpstream } from './upstream/traced-upstream.ts'
import type { Upstream } from './upstream/upstream.ts'

/** Options of {@link createBridge}. */
export interface BridgeOptions<Contract extends Events = Events>
  extends Omit<HubOptions<Contract>, 'authenticate' | 'nonces' | 'explain'> {
  /** The broker behind the bridge. The caller closes it. `serve` of a host creates one from a URL. */
  readonly upstream: Upstream
  /** How clients authenticate, and their permissions. */
  readonly auth: AuthOptions
  /** Origins of web pages that may use the bridge, in addition to its own host. Default: none. */
  readonly origins?: Origins
  /**
   * Host names of the bridge, such as `bridge.example.com`. Addresses, `localhost` and the hosts of `origins` need not be
   * listed. Requests for other host names are refused with 421: by DNS rebinding, any web page can make its own host name
   * resolve to a bridge in a private network. It gets nothing from a bridge that requires credentials. Default: all names.
   * `serve` refuses unknown names by default if `auth.anonymous` is set and it listens on more than loopback.
   */
  readonly hosts?: HostNames
  /** Turns the admin routes on: `POST /admin/disconnect`, `/admin/unsubscribe` and `/admin/trace`. Default: off. */
  readonly admin?: AdminOptions
  /** Turns `GET /varz`, `/connz`, `/subsz`, `/metrics` and others on; see PROTOCOL.md. Default: off. */
  readonly monitoring?: MonitoringOptions
  /** All hubs that one supervisor runs on the same NATS, including this one. `?hub=` of monitoring names one of them. */
  readonly group?: HubGroup
  /**
   * Adds spans of the bridge to sampled traces: `bridgeSpans()` of `spanwire/opentelemetry`. Each becomes the parent of the
   * next span of its trace. Default: none.
   */
  readonly spans?: BridgeSpans
  /** More routes, such as a page, after the bridge's own. Default: none. */
  readonly routes?: Hono
}

/** A bridge without a host. The host passes requests to `app.fetch`. */
export interface Bridge {
  /**
   * The Hono application, with `GET /nats`, `POST /publish`, `POST /publish/:subject`, `POST /request/:subject`,
   * `GET /events`, `/history/:subject`, `/healthz` and others; see PROTOCOL.md. It can be mounted under any path.
   * WebSockets need {@link HostBindings.upgrade} in `env`.
   */
  readonly app: Hono<{ Bindings: HostBindings }>
  /** The hub behind the routes. */
  readonly hub: Hub
  /** Closes all connections. Idempotent. */
  close(): void
}

/**
 * Creates a bridge: the hub and the HTTP application in front of it.
 *
 *     const bridge = createBridge({ upstream, auth: { secret } })
 *     const response = await bridge.app.fetch(request)
 *
 * @throws SpanwireError `invalid-argument`
 */
export function createBridge<Contract extends Events>(options: BridgeOptions<Contract>): Bridge {
  return assembleBridge(options, createAuthenticator(options.auth ?? {}, options.clock)).bridge
}

/** Same as {@link createBridge}, with an authenticator of the caller, and with access to the hub core. */
export function assembleBridge(
  given: BridgeOptions,
  authenticate: Authenticate,
): { readonly bridge: Bridge; readonly hub: HubCore } {
  const options = withSpans(given)
  const { origins = [], hosts = '*' } = options
  checkOrigins(origins)
  checkHostNames(hosts)
  const { auth, clock = Date.now } = options
  const explain = (error: unknown) => explainRefusal(error, auth, clock())
  const hub = new HubCore({ ...options, authenticate, explain, nonces: (options.auth.accounts?.length ?? 0) > 0 })
  const app = new Hono<{ Bindings: HostBindings }>()
  const findToken = tokenFinder(options.auth.cookie, origins)

  app.use(closeAfterBody)
  app.route('/healthz', healthRoute(hub, options.monitoring))
  app.use(allowHostNames(hosts, origins))
  app.use(allowOrigins(origins, options.auth.cookie))
  app.use(refuseWebSockets)
  const refuseWhileDraining: MiddlewareHandler = async (_, next) => {
    if (hub.registry.isDraining)
      throw new SpanwireError('upstream-unavailable', 'This bridge is shutting down. Connect again.')
    await next()
  }
  const countRequest: MiddlewareHandler = async (c, next) => {
    await hub.registry.during(next())
    // A client that keeps the connection would reach this bridge again.
    if (hub.registry.isDraining) c.header('Connection', 'close')
  }
  for (const path of ['/publish/*', '/request/*', '/history/*']) app.use(path, countRequest)
  app.get('/nats', refuseWhileDraining)
  app.get('/nats/stream', refuseWhileDraining)
  app.route('/nats', connectRoute(hub, findToken))
  const tunnels = new Tunnels()
  const peers = new Peers(options.upstream, hub.requests, hub.id, options.group)
  receiveForwarded(peers, tunnels)
  const dial = dialLocally(hub, tunnels)
  app.route('/nats/stream', tunnelInput({ hub, tunnels, peers, findToken }))
  app.route('/nats/stream', tunnelStream(dial, findToken, hub.id))
  app.route('/events', eventsRoute(dial, urlTokenFinder(findToken, options.auth.urlTokenLifetime)))
  app.route('/history', historyRoute(dial, findToken))
  app.use('/publish/*', identify(hub, authenticate, findToken))
  app.route('/publish', publishRoutes(hub))
  app.use('/request/*', identify(hub, authenticate, findToken))
  app.route('/request', requestRoutes(hub))
  if (options.admin) app.route('/admin', adminRoutes(hub, options.admin))
  const services = { hub, peers, upstream: options.upstream, hasAdmin: options.admin !== undefined }
  const monitoring = options.monitoring && monitoringRoutes(services, options.monitoring)
  if (monitoring) app.route('/', monitoring.app)
  if (options.routes) app.route('/', options.routes)
  app.notFound((c) =>
    problem(c, new SpanwireError('request-refused', 'Unknown path. The NATS endpoint is /nats.'), 404),
  )
  app.onError((error, c) => {
    logRefusal(hub.log, c, error)
    return toProblem(c, error)
  })

  const close = () => {
    monitoring?.close()
    peers.close()
    hub.close()
  }
  return { bridge: { app, hub, close }, hub }
}

function withSpans(options: BridgeOptions): BridgeOptions {
  const { upstream, spans, schedule = (run) => setTimeout(run, 0) } = options
  return spans ? { ...options, upstream: traceUpstream(upstream, spans, schedule) } : options
}
