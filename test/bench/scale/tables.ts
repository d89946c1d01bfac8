import { markdownTable } from '../../support/markdown-table.ts'
import { OBJECT } from './costs.ts'
import { highestRate, simulateFanOut } from './fan-out.ts'
import { aliveRate, simulateOutage } from './outage.ts'
import { type Plan, plan, priceOnCloudflare, priceOnMachines, WORKLOADS } from './plan.ts'
import { AWS, HETZNER } from './prices.ts'
import { CURRENT, FORMER } from './room.ts'
import { simulateRooms } from './rooms.ts'
import { type StormOptions, simulateStorm } from './storm.ts'

/** A table of SCALE.md. */
export interface Table {
  readonly title: string
  /** Markdown. */
  readonly text: string
}

/** The seed of the tables in SCALE.md. */
export const SEED = 1

const MILLIONS = [1_000_000, 10_000_000]

/** All tables, computed with one seed. */
export function createTables(seed: number): Table[] {
  return [requirements(), money(), copies(seed), storms(seed), rooms(seed), outages(seed)]
}

function requirements(): Table {
  const rows = forEach(WORKLOADS, MILLIONS, (workload, clients) => {
    const on = plan(workload, clients, 'node')
    return [
      workload.name,
      count(clients),
      count(on.hubs),
      `${(on.hubCpu * 100).toFixed(0)} %`,
      count(on.natsServers),
      `${bytes(on.natsBytes)}/s`,
      `${bytes(on.clientBytes)}/s`,
      bytes(on.hubMemory),
      bytes(on.natsMemory),
    ]
  })
  return table('Requirements', rows, [
    'workload',
    'clients',
    'hubs on Node',
    'CPU of a hub',
    'NATS servers',
    'NATS to hubs',
    'hubs to clients',
    'memory of all hubs',
    'interest in each NATS server',
  ])
}

function money(): Table {
  const rows = forEach(WORKLOADS, MILLIONS, (workload, clients) => {
    const [node, object] = [plan(workload, clients, 'node'), plan(workload, clients, 'object')]
    const [aws, hetzner] = [priceOnMachines(node, AWS), priceOnMachines(node, HETZNER)]
    const cloudflare = priceOnCloudflare(workload, object)
    return [
      workload.name,
      count(clients),
      `${count(aws.machines)}: ${dollars(aws.compute)}`,
      dollars(aws.traffic),
      `${count(hetzner.machines)}: ${dollars(hetzner.compute)}`,
      dollars(hetzner.traffic),
      `${count(object.hubs)}: ${dollars(cloudflare.objects)}`,
      dollars(cloudflare.requests),
      dollars(natsForObjects(object)),
    ]
  })
  return table('Money', rows, [
    'workload',
    'clients',
    'AWS machines',
    'AWS traffic',
    'Hetzner machines',
    'Hetzner traffic',
    'Durable Objects',
    'requests to them',
    'NATS for them, on AWS',
  ])
}

/** NATS servers of Durable Objects, with their traffic to Cloudflare. */
function natsForObjects(object: Plan): number {
  const only = priceOnMachines({ ...object, hubs: 0, hubMemory: 0, clientBytes: object.natsBytes }, AWS)
  return only.compute + only.traffic
}

function copies(seed: number): Table {
  const rows = forEach([10, 100, 1_000], [10, 1_000], (hubs, subscribers) => {
    const [direct, leafNodes] = [false, true].map((leafNodes) => {
      const rate = highestRate({ hubs, subscribers, leafNodes }, seed)
      return { rate, ...simulateFanOut({ hubs, subscribers, leafNodes, rate, duration: 500 }, seed) }
    })
    if (!direct || !leafNodes) throw new Error('There are two kinds of fan-out.')
    const cells = [direct, leafNodes].flatMap(({ rate, natsCpu, natsBytes }) => [
      rate > 9_000 ? '> 9,000' : count(rate),
      natsCpu.toFixed(1),
      `${bytes(natsBytes)}/s`,
    ])
    return [count(hubs), count(subscribers), ...cells, `${bytes(leafNodes.machineBytes)}/s`]
  })
  return table('Copies of a shared message', rows, [
    'hubs',
    'subscribers of each',
    'messages/s',
    'NATS processors',
    'NATS sends',
    'messages/s, leaf nodes',
    'NATS processors, leaf nodes',
    'NATS sends, leaf nodes',
    'each machine sends',
  ])
}

function storms(seed: number): Table {
  const kinds: Record<string, Partial<StormOptions>> = {
    'Node, backlog of 511 (before)': {},
    'Node, backlog of 4,096': { listenBacklog: 4_096 },
    'Durable Object': { costs: OBJECT, listenBacklog: Number.POSITIVE_INFINITY },
  }
  const rows = forEach([1_000, 5_000, 10_000, 20_000], Object.entries(kinds), (clients, [kind, options]) => {
    if (options.costs === OBJECT && clients > 5_000) return undefined
    const { p50, p99, last, attempts, ignored, timeouts } = simulateStorm({ clients, ...options }, seed)
    return [
      count(clients),
      kind,
      seconds(p50),
      seconds(p99),
      seconds(last),
      count(attempts),
      count(ignored),
      count(timeouts),
    ]
  })
  return table('Reconnect storm at one hub', rows, [
    'clients',
    'hub',
    'p50',
    'p99',
    'last',
    'attempts',
    'dropped SYN',
    'timeouts (10 s)',
  ])
}

function rooms(seed: number): Table {
  const CLIENTS = 10_000
  const rows = forEach([5, 20, 100], [4, 20, 100], (members, hubs) => {
    const cells = [FORMER, CURRENT].flatMap((rules) => {
      const sample = Math.ceil(100 / members)
      const result = simulateRooms({ hubs, members, clientsPerHub: CLIENTS, rules, sample }, seed)
      return [count(result.perChange), count(result.received), `${bytes(result.bytes)}/s`, percent(result.cpu)]
    })
    return [count(members), count(hubs), ...cells]
  })
  return table('Presence in rooms', rows, [
    'members of a room',
    'hubs',
    ...['before', 'now'].flatMap((when) => [
      `copies for a change, ${when}`,
      `messages/s in a hub, ${when}`,
      `bytes, ${when}`,
      `CPU, ${when}`,
    ]),
  ])
}

function outages(seed: number): Table {
  const rows = [4, 16, 64, 128, 256, 1_000].map((hubs) => {
    const cells = [FORMER, CURRENT].flatMap((rules) => {
      // The number of messages grows with its cube.
      if (rules === FORMER && hubs > 256) return ['', '']
      const { delivered, settled } = simulateOutage({ hubs, members: 100, rules }, seed)
      return [count(delivered), seconds(settled)]
    })
    return [count(hubs), ...cells, count(aliveRate(hubs))]
  })
  return table('One channel over all hubs, after an outage of NATS', rows, [
    'hubs',
    'copies, before',
    'complete after, before',
    'copies, now',
    'complete after, now',
    'alive messages/s in a hub',
  ])
}

function forEach<A, B>(
  outer: readonly A[],
  inner: readonly B[],
  row: (a: A, b: B) => string[] | undefined,
): string[][] {
  return outer.flatMap((a) => inner.flatMap((b) => [row(a, b)].filter((cells) => cells !== undefined)))
}

function table(title: string, rows: readonly string[][], heads: readonly string[]): Table {
  return { title, text: markdownTable(heads, rows) }
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`
}

function count(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

function percent(share: number): string {
  return share > 1 ? `${share.toFixed(1)} processors` : `${(share * 100).toFixed(1)} %`
}

function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']
  const unit = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, value)) / 3))
  const scaled = value / 1_000 ** unit
  return `${scaled.toFixed(scaled < 10 && unit > 0 ? 1 : 0)} ${units[unit]}`
}

function dollars(value: number): string {
  return `$${count(value)}`
}
