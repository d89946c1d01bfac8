import { type Costs, costOfGossip, NATS, NODE } from './costs.ts'
import { type GossipRules, PAGE } from './room.ts'
import { Processor, Simulator } from './simulator.ts'

/** Constants of bridge/presence, in ms. */
const ALIVE = 5_000
const ANSWER = 2_000
const GONE = 20_000

export interface OutageOptions {
  /** Hubs with the channel. All of them lose NATS, and connect again from time 0 with the backoff of the bridge. */
  readonly hubs: number
  /** Members of the channel at each hub. */
  readonly members: number
  readonly rules: GossipRules
  /** Time in which the hubs connect to NATS, in ms. Default 500: the first delay of the backoff. */
  readonly spread?: number
  /** NATS servers and processors of each. Default 3 and 4. */
  readonly servers?: number
  readonly processors?: number
  readonly costs?: Costs
  /** Time after which the simulation ends, in ms. Default 60,000. */
  readonly until?: number
}

export interface OutageResult {
  /** Messages that hubs published, and the copies that NATS delivered. */
  readonly published: number
  readonly delivered: number
  /** Bytes that NATS delivered. */
  readonly bytes: number
  /** Time until every hub has processed all messages, in ms. Undefined if that takes longer than `until`. */
  readonly settled: number | undefined
  /** Longest time that a message waited in a hub, in ms. Messages of clients wait as long. */
  readonly longestWait: number
  /** Number of times that a hub dropped the members of a connected hub, because the answer waited too long. */
  readonly dropped: number
}

/**
 * Presence after an outage of NATS. All hubs of the channel receive the same messages, so that one queue represents the
 * queues of all hubs. An answer to one hub is a share of it, because every hub receives the same number of them.
 */
export function simulateOutage(options: OutageOptions, seed: number): OutageResult {
  const { hubs, members, rules, spread = 500, costs = NODE, servers = 3, processors = 4, until = 60_000 } = options
  const simulator = new Simulator(seed)
  const nats = new Processor(simulator)
  const hub = new Processor(simulator)
  const connectedAt = Array.from({ length: hubs }, () => simulator.random() * spread)
  /** Time at which the newest processed members of each hub were published. */
  const knownAt = new Array<number>(hubs).fill(Number.NEGATIVE_INFINITY)
  const pages = Array.from({ length: Math.max(1, Math.ceil(members / PAGE)) }, (_, i) =>
    Math.min(PAGE, members - i * PAGE),
  )
  let published = 0
  let delivered = 0
  let bytes = 0
  let dropped = 0
  let settled = 0

  const publish = (kind: 'ask' | 'answer', listed: number, receivers: number, processed: () => void) => {
    const cost = costOfGossip({ kind, listed }, costs)
    published++
    delivered += receivers
    bytes += receivers * cost.bytes
    hub.work(cost.send / hubs)
    nats.work((NATS.copy * receivers) / servers / processors, () =>
      hub.work((cost.receive * receivers) / hubs, () => {
        settled = simulator.now
        processed()
      }),
    )
  }
  const publishAll = (from: number, receivers: number) => {
    const at = simulator.now
    for (const listed of pages)
      publish('answer', listed, receivers, () => {
        knownAt[from] = Math.max(knownAt[from] ?? 0, at)
      })
  }
  const ask = (from: number) =>
    publish('ask', 0, hubs, () => {
      for (const [other, at] of connectedAt.entries())
        if (other !== from && at <= simulator.now) publishAll(other, rules.answers === 'all' ? hubs : 1)
    })
  /** Asks again while other hubs are in doubt. A hub that did not answer before the next round is dropped. */
  const checkDoubtful = (from: number, round: number) => {
    const since = connectedAt[from] ?? 0
    const doubtful = knownAt.filter((at, other) => other !== from && at < since).length
    if (doubtful === 0) return
    if (round > 1) {
      dropped += doubtful
      return
    }
    ask(from)
    simulator.after(ANSWER, () => checkDoubtful(from, round + 1))
  }

  for (const [id, at] of connectedAt.entries())
    simulator.after(at, () => {
      publishAll(id, hubs)
      ask(id)
      simulator.after(ANSWER, () => checkDoubtful(id, 1))
    })
  const isUnfinished = simulator.run(until)
  // Messages that report that a hub is alive wait as long as all others.
  if (hub.longest > GONE) dropped += hubs * (hubs - 1)
  return {
    published,
    delivered,
    bytes,
    settled: isUnfinished ? undefined : settled,
    longestWait: hub.longest,
    dropped,
  }
}

/** Messages per second that every hub receives because all hubs with members report that they are alive. */
export function aliveRate(hubs: number): number {
  return (hubs * 1_000) / ALIVE
}
