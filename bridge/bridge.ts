import { Hono, type MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { cors } from 'hono/cors'
import { SpanwireError } from '../sdk/wire/errors.ts'
import { type Authenticate, type AuthOptions, createAuthenticator } from './auth/authenticate.ts'
import { type AdminOptions, adminRoutes } from './http/admin.ts'
import { connectRoute, type HostBindings } from './http/connect.ts'
import { tokenFinder } from './http/credentials.ts'
import { eventsRoute } from './http/events.ts'
import { historyRoute } from './http/history.ts'
import { dialLocally } from './http/hub-line.ts'
import { identify } from './http/identify.ts'
import { type MonitoringOptions, monitoringRoutes } from './http/monitoring.ts'
import { allowOrigins, checkOrigins, type Origins } from './http/origins.ts'
import { problem, toProblem } from './http/problem.ts'
import { publishRoutes } from './http/publish.ts'
import { requestRoutes } from './http/request.ts'
import { tunnelInput, tunnelStream } from './http/tunnel.ts'
import { receiveForwarded } from './http/tunnel-forward.ts'
import { Tunnels } from './http/tunnels.ts'
import { urlTokenFinder } from './http/url-token.ts'
import { Hub, type HubOptions } from './hub/hub.ts'
import { type HubGroup, Peers } from './hub/peers.ts'
import type { Upstream } from './upstream/upstream.ts'

/** What a bridge is made of. */
export interface BridgeOptions extends Omit<HubOptions, 'authenticate' | 'nonces'> {
  /** The broker behind the bridge; see `createNatsUpstream` and `createEmbeddedUpstream`. The caller closes it. */
  readonly upstream: Upstream
  /** Who may come in, and to what. */
  readonly auth: AuthOptions
  /** Web pages that may use the bridge, beside those of its own host. Default: none. */
  readonly origins?: Origins
  /** Turns the admin routes on: `POST /admin/disconnect` and `POST /admin/unsubscribe`. Default: off. */
  readonly admin?: AdminOptions
  /** Turns `GET /varz`, `/connz`, `/subsz` and `/metrics` on. Default: off. */
  readonly monitoring?: MonitoringOptions
  /** The hubs that one supervisor runs on the same NATS, this one included: `?hub=` of monitoring names them. */
  readonly group?: HubGroup
  /** More routes, such as a page: tried after the bridge's own. Default: none. */
  readonly routes?: Hono
}

/** A bridge without a host: give `app.fetch` to one. */
export interface Bridge {
  /**
   * The Hono application: `GET /nats`, `POST /publish`, `POST /publish/:subject`, `POST /request/:subject`,
   * `GET /healthz`, `/events`, `/history`. Mount it anywhere; WebSockets need the host's `upgrade` as Hono's `env`.
   */
  readonly app: Hono<{ Bindings: HostBindings }>
  readonly hub: Hub
  /** Ends all connections. Idempotent. */
  close(): void
}

/** A batch may hold several of the largest messages. */
const MAX_BODY = 8 * 1024 * 1024

/**
 * Makes a bridge: the hub and the HTTP application in front of it.
 * @throws SpanwireError `invalid-argument`
 */
export function createBridge(options: BridgeOptions): Bridge {
  return assembleBridge(options, createAuthenticator(options.auth ?? {}, options.clock))
}

/** The same, with a way to authenticate that somebody made of `options.auth`. */
export function assembleBridge(options: BridgeOptions, authenticate: Authenticate): Bridge {
  checkOrigins(options.origins ?? [])
  const hub = new Hub({ ...options, authenticate, nonces: (options.auth.accounts?.length ?? 0) > 0 })
  const app = new Hono<{ Bindings: HostBindings }>()

  const origins = options.origins ?? []
  const findToken = tokenFinder(options.auth.cookie, origins)

  // Before the check of origins: pages of any may ask why they can't connect.
  app.use('/healthz', cors())
  app.get('/healthz', (c) => {
    const upstream = hub.upstreamOpen ? 'open' : 'reconnecting'
    const status = hub.draining ? 'draining' : hub.upstreamOpen ? 'ok' : 'unavailable'
    return c.json({ status, upstream, broker: hub.upstreamName }, status === 'ok' ? 200 : 503)
  })
  app.use(allowOrigins(origins, options.auth.cookie))
  app.use(
    bodyLimit({
      maxSize: Math.max(MAX_BODY, hub.limits.maxPayload),
      onError: (c) => problem(c, new SpanwireError('payload-too-large', 'The request body is too large.')),
    }),
  )
  const admit: MiddlewareHandler = async (_, next) => {
    if (hub.draining) throw new SpanwireError('upstream-unavailable', 'This bridge is being replaced: connect again.')
    await next()
  }
  const underway: MiddlewareHandler = async (c, next) => {
    await hub.during(next())
    // Who keeps the connection would come here again.
    if (hub.draining) c.header('Connection', 'close')
  }
  for (const path of ['/publish/*', '/request/*', '/history/*']) app.use(path, underway)
  app.get('/nats', admit)
  app.get('/nats/stream', admit)
  app.route('/nats', connectRoute(hub, findToken))
  const tunnels = new Tunnels()
  const peers = new Peers(options.upstream, hub.requests, hub.id, options.group)
  receiveForwarded(peers, tunnels)
  const dial = dialLocally(hub, tunnels)
  app.route('/nats/stream', tunnelInput({ hub, tunnels, peers, findToken }))
  app.route('/nats/stream', tunnelStream(dial, findToken, hub.id))
  app.route('/events', eventsRoute(dial, urlTokenFinder(findToken, options.auth.urlTokenLifetime)))
  app.route('/history', historyRoute(dial, findToken))
  app.use('/publish/*', identify(authenticate, findToken))
  app.route('/publish', publishRoutes(hub))
  app.use('/request/*', identify(authenticate, findToken))
  app.route('/request', requestRoutes(hub))
  if (options.admin) app.route('/admin', adminRoutes(hub, options.admin))
  if (options.monitoring) app.route('/', monitoringRoutes(hub, peers, options.monitoring))
  if (options.routes) app.route('/', options.routes)
  app.notFound((c) =>
    problem(c, new SpanwireError('request-refused', 'There is nothing here. The NATS endpoint is /nats.'), 404),
  )
  app.onError((error, c) => toProblem(c, error))

  const close = () => {
    peers.close()
    hub.close()
  }
  return { app, hub, close }
}
