import { isMonitoring } from '../bridge/http/monitoring-routes.ts'
import { readSettings, type WorkerEnv } from './env.ts'
import { eventStreams, isEventStream } from './event-streams.ts'
import { HubObject, type HubObjectOptions } from './hub-object.ts'
import { Hubs } from './hubs.ts'
import { addressKey } from './placement.ts'
import { problem, toUnavailable } from './problem.ts'
import type { ObjectState } from './runtime.ts'

/** What a Worker can be told beside its variables ({@link WorkerEnv}). */
export interface WorkerOptions extends HubObjectOptions {
  /**
   * What tells clients apart when they are spread over hubs; all that one client does should give the same key.
   * Default: the query parameter `client` if there is one, else the network that the request comes from.
   */
  readonly clientKey?: (request: Request) => string
}

/** The two halves of a Worker: export `worker` as default and the class by its name. */
export interface SpanwireWorker {
  readonly worker: { fetch(request: Request, env: WorkerEnv): Promise<Response> }
  readonly SpanwireHub: new (state: ObjectState, env: WorkerEnv) => HubObject
}

/** In ms. workerd sees that a client has gone when it writes to it; until then its interest stays. */
const HEARTBEAT = 5_000

/** What belongs to the hub; everything else is the host's own. */
const HUB_PATHS = /^\/(nats|publish|request|events|history|admin|healthz)(\/|$)/

/**
 * Makes the Worker: stateless, it finds a client's hub and forwards to it.
 *
 *     const { worker, SpanwireHub } = createWorker({ limits: { maxPayload: 65_536 } })
 *     export { SpanwireHub }
 *     export default worker
 */
export function createWorker(options: WorkerOptions = {}): SpanwireWorker {
  const { clientKey = defaultClientKey } = options
  const hubs = new Hubs()
  return {
    worker: {
      async fetch(request, env) {
        if (!HUB_PATHS.test(new URL(request.url).pathname) && !isMonitoring(request)) {
          return problem(404, 'request-refused', 'There is nothing here. The NATS endpoint is /nats.')
        }
        try {
          const settings = readSettings(env, options.auth)
          if (isMonitoring(request)) {
            const hub = hubs.named(request, { namespace: env.HUB, ...settings })
            return hub ? await hub.fetch(request) : problem(400, 'invalid-argument', 'Say which hub: ?hub=hub-1, say.')
          }
          const findHub = (client: Request) => hubs.of(client, clientKey(client), { namespace: env.HUB, ...settings })
          if (isEventStream(request))
            return await eventStreams(settings, findHub).fetch(request, { heartbeat: HEARTBEAT })
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

function defaultClientKey(request: Request): string {
  return new URL(request.url).searchParams.get('client') ?? addressKey(request.headers.get('CF-Connecting-IP') ?? '')
}
