import { type HubPlace, type HubPlan, placesOf } from './placement.ts'
import type { ObjectNamespace, RequestOrigin } from './runtime.ts'

/** What a request is handed on to. */
export interface Hub {
  fetch(request: Request): Promise<Response>
}

/** Where the hubs are, and how many there are. */
interface HubsAt {
  readonly namespace: ObjectNamespace
  readonly plan: HubPlan
}

/** With a number, in a request for an upgrade: only if the hub has fewer clients. In the answer: it has as many. */
export const ROOM_HEADER = 'Spanwire-Room'
/** For so long a hub that has clients enough isn't asked again, in ms. */
const FULL = 1_000

/**
 * All hubs of a Worker. A client comes to its own hub as long as that has fewer than `clientsPerHub`, then to the next one
 * of its region, then to those of other regions; when all have as many, to its own again, up to the hub's limit.
 */
export class Hubs {
  /** Until when, by name. At most one entry for each hub. */
  readonly #full = new Map<string, number>()

  /** The only hub, or the one that `hub` of the address names; undefined if there is none. */
  named(request: Request, { namespace, plan }: HubsAt): Hub | undefined {
    const name = new URL(request.url).searchParams.get('hub')
    const places = placesOf(plan, '', undefined)
    const place = name === null && places.length === 1 ? places[0] : places.find((other) => other.name === name)
    return place && at(namespace, place)
  }

  /** Where a client's requests go. */
  of(
    client: Request,
    key: string,
    { namespace, plan, clientsPerHub }: HubsAt & { readonly clientsPerHub: number },
  ): Hub {
    const { cf } = client as { cf?: RequestOrigin }
    const places = placesOf(plan, key, cf)
    const hubAt = (place: HubPlace) => at(namespace, place)
    const [own] = places
    return {
      fetch: async (request) => {
        if (places.length > 1) {
          if (request.headers.get('Upgrade')?.toLowerCase() === 'websocket') {
            const response = await this.#connect(request, places, hubAt, clientsPerHub)
            if (response) return response
          } else if (request.method === 'POST' && new URL(request.url).pathname === '/nats/stream') {
            return findTunnel(request, places.map(hubAt))
          }
        }
        return hubAt(own as HubPlace).fetch(request)
      },
    }
  }

  /** Undefined if all hubs have clients enough. */
  async #connect(
    request: Request,
    places: readonly HubPlace[],
    hubAt: (place: HubPlace) => Hub,
    clientsPerHub: number,
  ): Promise<Response | undefined> {
    for (const place of places) {
      if ((this.#full.get(place.name) ?? 0) > Date.now()) continue
      const headers = new Headers(request.headers)
      headers.set(ROOM_HEADER, `${clientsPerHub}`)
      const response = await hubAt(place).fetch(new Request(request, { headers }))
      if (!response.headers.has(ROOM_HEADER)) return response
      this.#full.set(place.name, Date.now() + FULL)
    }
    return undefined
  }
}

function at(namespace: ObjectNamespace, { name, region }: HubPlace): Hub {
  return namespace.getByName(name, region && { locationHint: region })
}

/** What a client posts belongs to the hub that has its stream, which may not be the first. */
async function findTunnel(request: Request, hubs: readonly Hub[]): Promise<Response> {
  const body = await request.arrayBuffer()
  let response: Response | undefined
  for (const hub of hubs) {
    response = await hub.fetch(new Request(request.url, { method: 'POST', headers: request.headers, body }))
    if (response.status !== 404) break
  }
  return response as Response
}
