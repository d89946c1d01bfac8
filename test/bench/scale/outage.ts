import { costOfGossip, NATS, NODE } from './costs.ts'
import { type GossipRules, PAGE } from './room.ts'
import { Processor, Simulator } from './simulator.ts'

/** NATS servers, and processors of each. */
const SERVERS = 3
const PROCESSORS = 4
/** Time in which the hubs connect to NATS again, in ms: the first delay of the backoff. */
const SPREAD = 500
/** Constants of bridge/presence, in ms. */
const ALIVE = 5_000
const ANSWER = 2_000

export interface OutageOptions {
  /** Hubs with the channel. All of them lose NATS, and connect again from time 0. */
  readonly hubs: number
  /** Members of the channel at each hub. */
  readonly members: number
  readonly rules: GossipRules
}

export interface OutageResult {
  /** Copies that NATS delivered. */
  readonly delivered: number
  /** Time until every hub has processed all messages, in ms. Messages of clients wait as long. */
  readonly settled: number
}

/**
 * Presence after an outage of NATS. All hubs of the channel receive the same messages, so that one queue represents the
 * queues of all hubs. An answer to one hub is a share of it, because every hub receives the same number of them.
 */
export function simulateOutage({ hubs, members, rules }: OutageOptions, seed: number): OutageResult {
  const simulator = new Simulator(seed)
  const nats = new Processor(simulator)
  const hub = new Processor(simulator)
  const connectedAt = Array.from({ length: hubs }, () => simulator.random() * SPREAD)
  /** Time at which the newest processed members of each hub were published. */
  const knownAt = new Array<number>(hubs).fill(Number.NEGATIVE_INFINITY)
  const pages = Array.from({ length: Math.max(1, Math.ceil(members / PAGE)) }, (_, i) =>
    Math.min(PAGE, members - i * PAGE),
  )
  let delivered = 0
  let settled = 0

  const publish = (kind: 'ask' | 'answer', listed: number, receivers: number, processed: () => void) => {
    const cost = costOfGossip({ kind, listed }, NODE)
    delivered += receivers
    hub.work(cost.send / hubs)
    nats.work((NATS.copy * receivers) / SERVERS / PROCESSORS, () =>
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

  for (const [id, at] of connectedAt.entries())
    simulator.after(at, () => {
      publishAll(id, hubs)
      ask(id)
      // Repeats the request if the answer of another hub has not arrived.
      simulator.after(ANSWER, () => {
        if (knownAt.some((published, other) => other !== id && published < at)) ask(id)
      })
    })
  simulator.run()
  return { delivered, settled }
}

/** Messages per second that every hub receives because all hubs with members report that they are alive. */
export function aliveRate(hubs: number): number {
  return (hubs * 1_000) / ALIVE
}
