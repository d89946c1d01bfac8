import { Hono } from 'hono'
import { hubsRoute, isMonitoring } from '../bridge/http/monitoring-routes.ts'
import { allowOrigins } from '../bridge/http/origins.ts'
import { Log } from '../bridge/log/log.ts'
import type { Events } from '../sdk/contract/contract.ts'
import { readSettings, type Settings, type WorkerEnv } from './env.ts'
import { eventStreams, isEventStream } from './event-streams.ts'
import { HubObject, type HubObjectOptions } from './hub-object.ts'
import { Hubs } from './hubs.ts'
import { logOrigins } from './origin-log.ts'
import { addressKey, rankHubs } from './placement.ts'
import { problem, toUnavailable } from './problem-response.ts'
import type { ObjectState } from './runtime.ts'

/** Options of {@link createWorker}, in addition to the variables in {@link WorkerEnv}. */
export interface WorkerOptions<Contract extends Events = Events> extends HubObjectOptions<Contract> {
  /**
   * Returns the key by which a client is assigned to a hub. All requests of one client should have the same key.
   * Default: the query parameter `client`, or else the client's IP address (IPv6: its /64 network).
   */
  readonly clientKey?: (request: Request) => string
}

/** A Worker and its Durable Object class. Export `worker` as default and the class by its name. */
export interface SpanwireWorker {
  /** The stateless part: finds the hub of a client and forwards its request. */
  readonly worker: { fetch(request: Request, env: WorkerEnv): Promise<Response> }
  /** The Durable Object class: bind it as `HUB`. */
  readonly SpanwireHub: new (
    state: ObjectState,
    env: WorkerEnv,
  ) => HubObject
}

/** Interval of comments on event streams, in ms. workerd notices that a client has left only when it writes to it. */
const HEARTBEAT = 5_000

/** Routes of a hub. The Worker responds to all other paths with 404. */
const HUB_PATHS = /^\/(nats|publish|request|events|history|admin|healthz)(\/|$)/

/**
 * Creates a Worker and its Durable Object class.
 *
 *     const { worker, SpanwireHub } = createWorker({ limits: { maxPayload: 65_536 } })
 *     export { SpanwireHub }
 *     export default worker
 */
export function createWorker<Contract extends Events>(options: WorkerOptions<Contract> = {}): SpanwireWorker {
  const { clientKey = defaultClientKey } = options
  const hubs = new Hubs()
  /** One for all requests, because it bounds their rate. */
  let log: Log | undefined
  return {
    worker: {
      async fetch(request, env) {
        if (!HUB_PATHS.test(new URL(request.url).pathname) && !isMonitoring(request)) {
          return problem(404, 'request-refused', 'Unknown path. The NATS endpoint is /nats.')
        }
        try {
          const settings = readSettings(env, options.auth)
          log ??= new Log(settings.log)
          if (settings.monitoring && new URL(request.url).pathname === '/hubz')
            return await listHubs(settings, log).fetch(request)
          if (isMonitoring(request)) {
            const hub = hubs.byName(request, { namespace: env.HUB, ...settings })
            return hub
              ? await hub.fetch(withoutHub(request))
              : problem(400, 'invalid-argument', 'Name a hub in the URL, for example ?hub=hub-1.')
          }
          const findHub = (client: Request) => hubs.find(client, clientKey(client), { namespace: env.HUB, ...settings })
          if (isEventStream(request))
            return await eventStreams(settings, findHub, log).fetch(request, { heartbeat: HEARTBEAT })
          return await findHub(request).fetch(request)
        } catch (error) {
          return toUnavailable(error)
        }
      },
    },
    SpanwireHub: class SpanwireHub extends HubObject {
      constructor(state: ObjectState, env: WorkerEnv) {
        super(state, env, options)
      }
    },
  }
}

/** `GET /hubz`, without a request to any hub. */
function listHubs({ plan, monitoring, admin, origins, auth }: Settings, log: Log): Hono {
  const app = new Hono()
  app.use(allowOrigins(origins, auth.cookie))
  app.onError(logOrigins(log))
  const names = rankHubs(plan, '', undefined).map(({ name }) => name)
  if (monitoring) app.route('/', hubsRoute(names.sort(), admin !== undefined, monitoring))
  return app
}

/** The hub knows itself by its id. A name in the query would be a hub on the same NATS, which it would ask. */
function withoutHub(request: Request): Request {
  const url = new URL(request.url)
  url.searchParams.delete('hub')
  return new Request(url, request)
}

function defaultClientKey(request: Request): string {
  return new URL(request.url).searchParams.get('client') ?? addressKey(request.headers.get('CF-Connecting-IP') ?? '')
}
