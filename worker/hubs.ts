import { type HubLocation, type HubPlan, rankHubs } from './placement.ts'
import { type ObjectNamespace, originOf } from './runtime.ts'

/** A Durable Object that handles requests. */
export interface Hub {
  fetch(request: Request): Promise<Response>
}

interface RankedHub extends Hub {
  readonly name: string
}

/** The hubs of a Worker. */
interface HubSet {
  readonly namespace: ObjectNamespace
  readonly plan: HubPlan
}

/**
 * On an upgrade request: accept the client only if the hub has fewer clients than this number. On a response: the hub has
 * reached it.
 */
export const ROOM_HEADER = 'Spanwire-Room'
/** How long a full hub is skipped, in ms. */
const FULL_TIME = 1_000

/**
 * Assigns clients to hubs. A client gets its preferred hub until that has `clientsPerHub` clients, then the next hub of
 * its region, then hubs of other regions. If all are full, it gets its preferred hub, up to that hub's limit.
 */
export class Hubs {
  /** When a full hub may be tried again, by its name, in ms since 1970. */
  readonly #fullUntil = new Map<string, number>()

  /** The hub that the query parameter `hub` names, or the only one. Undefined for an unknown name. */
  byName(request: Request, { namespace, plan }: HubSet): Hub | undefined {
    const name = new URL(request.url).searchParams.get('hub')
    const all = rankHubs(plan, '', undefined)
    const location = name === null && all.length === 1 ? all[0] : all.find((other) => other.name === name)
    return location && open(namespace, location)
  }

  /** The hub for a client's requests. */
  find(
    client: Request,
    key: string,
    { namespace, plan, clientsPerHub }: HubSet & { readonly clientsPerHub: number },
  ): Hub {
    const ranked = rankHubs(plan, key, originOf(client)).map((location) => ({
      name: location.name,
      fetch: (request: Request) => open(namespace, location).fetch(request),
    }))
    const [preferred] = ranked
    return {
      fetch: async (request) => {
        if (ranked.length > 1) {
          if (request.headers.get('Upgrade')?.toLowerCase() === 'websocket') {
            const response = await this.#connect(request, ranked, clientsPerHub)
            if (response) return response
          } else if (request.method === 'POST' && new URL(request.url).pathname === '/nats/stream') {
            return findTunnel(request, ranked)
          }
        }
        return (preferred as RankedHub).fetch(request)
      },
    }
  }

  /** The response of the first hub that is not full. Undefined if all are full. */
  async #connect(request: Request, ranked: readonly RankedHub[], clientsPerHub: number): Promise<Response | undefined> {
    for (const hub of ranked) {
      if ((this.#fullUntil.get(hub.name) ?? 0) > Date.now()) continue
      const headers = new Headers(request.headers)
      headers.set(ROOM_HEADER, `${clientsPerHub}`)
      const response = await hub.fetch(new Request(request, { headers }))
      if (!response.headers.has(ROOM_HEADER)) return response
      this.#fullUntil.set(hub.name, Date.now() + FULL_TIME)
    }
    return undefined
  }
}

function open(namespace: ObjectNamespace, { name, region }: HubLocation): Hub {
  return namespace.getByName(name, region && { locationHint: region })
}

/** Forwards the input of a tunnel to the hub that has its stream, which may not be the preferred one. */
async function findTunnel(request: Request, hubs: readonly Hub[]): Promise<Response> {
  const body = await request.arrayBuffer()
  let response: Response | undefined
  for (const hub of hubs) {
    response = await hub.fetch(new Request(request.url, { method: 'POST', headers: request.headers, body }))
    if (response.status !== 404) break
  }
  return response as Response
}
