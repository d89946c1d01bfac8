import { defaultLimits } from '../../../bridge/auth/limits.ts'
import { type Costs, NATS, NODE, OBJECT } from './costs.ts'
import { CLOUDFLARE, type Machine, perMonth, trafficPrice } from './prices.ts'

/** Behaviour of one client. */
export interface Workload {
  readonly name: string
  /** Events that a client receives, per second, and their size in bytes. */
  readonly received: number
  readonly size: number
  /** Events that a client publishes, per second. */
  readonly published: number
  /** Filters that no other client has. */
  readonly ownFilters: number
  /** Events that all clients receive, per second. The others are for a few clients each. */
  readonly shared: number
  /** Mean duration of a connection, in s. */
  readonly session: number
}

/** Published benchmarks as workloads, and a ticker. */
export const WORKLOADS: readonly Workload[] = [
  // MigratoryData, 2013: 12 million users, each receives 512 bytes per minute.
  { name: 'push', received: 1 / 60, size: 512, published: 0, ownFilters: 1, shared: 0, session: 3_600 },
  // Centrifugo, 2020: 1 million users with an own channel and a group of 10; 500,000 events and 3,300 connects per second.
  { name: 'groups', received: 0.5, size: 100, published: 0.05, ownFilters: 1.1, shared: 0, session: 300 },
  { name: 'ticker', received: 5, size: 200, published: 0, ownFilters: 0, shared: 5, session: 600 },
]

/** Share of a processor that is used at most. The rest is for reconnects. */
const MAX_LOAD = 0.6
/** Clients of one hub on Node: the default of `limits.maxConnections`. They return within 10 s; see storm.ts. */
const MAX_CLIENTS = defaultLimits.maxConnections
/** Clients of one Durable Object: the default of the Worker. */
const MAX_OBJECT_CLIENTS = 5_000
/** Bytes of one message on a connection, in addition to its payload, with TCP, IP and TLS. */
const OVERHEAD = 110
/** PING of the SDK, and its PONG, in s. */
const PING_INTERVAL = 25
const PING_BYTES = 2 * 100

/** Requirements of a number of clients. */
export interface Plan {
  readonly clients: number
  readonly hubs: number
  /** Share of one processor that a hub uses. */
  readonly hubCpu: number
  readonly natsServers: number
  /** Copies that NATS sends to hubs, per second. */
  readonly natsCopies: number
  /** Bytes per second from NATS to hubs, and from hubs to clients. */
  readonly natsBytes: number
  readonly clientBytes: number
  /** Memory of all hubs, and of each NATS server. */
  readonly hubMemory: number
  readonly natsMemory: number
}

/** Computes hubs, NATS servers, traffic and memory. */
export function plan(workload: Workload, clients: number, kind: 'node' | 'object'): Plan {
  const costs = kind === 'node' ? NODE : OBJECT
  const most = kind === 'node' ? MAX_CLIENTS : MAX_OBJECT_CLIENTS
  const { received, size, published, ownFilters, shared, session } = workload
  const perClient = loadPerClient(workload, costs)
  const hubs = Math.ceil(clients / Math.min(most, (MAX_LOAD * 1_000) / perClient))
  const inHub = clients / hubs
  // A shared event is one copy to each hub. The others go to the hubs of their few receivers.
  const natsCopies = shared * hubs + (received - shared) * clients
  const natsPublished = published * clients + (received - shared) * clients * (ownFilters > 0 ? 0.5 : 0) + shared
  const filters = ownFilters * clients
  const changes = (2 * filters) / session
  const servers = natsServersFor(natsCopies, hubs, natsPublished, changes)
  return {
    clients,
    hubs,
    hubCpu: (inHub * perClient + shared * costs.receive) / 1_000,
    natsServers: servers,
    natsCopies,
    natsBytes: natsCopies * (size + OVERHEAD),
    clientBytes: clients * (received * (size + OVERHEAD) + PING_BYTES / PING_INTERVAL),
    hubMemory: clients * (costs.connectionBytes + costs.kernelBytes) + hubs * costs.hubBytes,
    natsMemory: (filters / servers) * NATS.ownFilterBytes + filters * (1 - 1 / servers) * NATS.otherFilterBytes,
  }
}

/** CPU time of a hub for one client, in ms per second. Events for a few clients arrive one at a time. */
function loadPerClient({ received, published, shared, session }: Workload, costs: Costs): number {
  const events = shared * (costs.write + costs.delivery) + (received - shared) * costs.alone
  const connects = (costs.upgrade + costs.connect) / session
  return events + published * costs.publish + costs.ping / PING_INTERVAL + connects
}

/** At least three servers, for JetStream. Each has four processors. */
function natsServersFor(copies: number, hubs: number, published: number, changes: number): number {
  // A server joins copies for one hub in a write if they come fast enough.
  const copy = copies / hubs > 1_000 ? NATS.copy : NATS.copyAlone
  for (let servers = 3; ; servers++) {
    const fanOut = copies * copy + published * (NATS.receive + copy * (1 - 1 / servers))
    const interest = changes * (NATS.ownFilter / servers + NATS.otherFilter)
    if (fanOut / servers + interest <= 4 * MAX_LOAD * 1_000) return servers
  }
}

/** Price on rented machines, in dollars per month. */
export function priceOnMachines(plan: Plan, machine: Machine): { machines: number; compute: number; traffic: number } {
  const machines = Math.max(
    Math.ceil((plan.hubs * plan.hubCpu) / MAX_LOAD / machine.processors),
    Math.ceil(plan.hubs / machine.processors),
    Math.ceil(plan.hubMemory / (0.8 * machine.memory)),
  )
  const nats = plan.natsServers * Math.max(4 / machine.processors, Math.ceil(plan.natsMemory / (0.8 * machine.memory)))
  const all = machines + nats
  return { machines: all, compute: all * machine.month, traffic: trafficPrice(machine, all, plan.clientBytes) }
}

/** Price on Cloudflare, in dollars per month, without the NATS servers. */
export function priceOnCloudflare(workload: Workload, plan: Plan): { objects: number; requests: number } {
  const { object, includedGigabyteSeconds, objectRequest, messagesPerRequest, workerRequest } = CLOUDFLARE
  const messages = plan.clients * (workload.published + 1 / PING_INTERVAL)
  const connects = plan.clients / workload.session
  return {
    objects: Math.max(0, plan.hubs * object - includedGigabyteSeconds) + CLOUDFLARE.plan,
    requests:
      perMonth(messages / messagesPerRequest) * objectRequest + perMonth(connects) * (objectRequest + workerRequest),
  }
}
