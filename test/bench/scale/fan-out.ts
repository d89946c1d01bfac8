import { NATS, NODE } from './costs.ts'
import { Processor, percentile, Simulator } from './simulator.ts'

/** Header of a message on a connection: verb, subject, sid, sizes, WebSocket frame. In bytes. */
const HEADER = 40
/** Latency between servers in one network, in ms. */
const HOP = 0.3

export interface FanOutOptions {
  /** Hubs with a subscriber, and subscribers of each. */
  readonly hubs: number
  readonly subscribers: number
  /** Messages per second on one subject, and their size in bytes. */
  readonly rate: number
  readonly size?: number
  /** NATS servers of the cluster, and processors of each. Default 3 and 4. */
  readonly servers?: number
  readonly processors?: number
  /** Hubs on each machine. Default 8. */
  readonly hubsPerMachine?: number
  /** A NATS leaf node on each machine, which sends the copies to the hubs of its machine. Default: no. */
  readonly leafNodes?: boolean
  /** Bandwidth of each machine, in bytes per second. Default 10 Gbit/s. */
  readonly bandwidth?: number
  /** Simulated time, in ms. Default 5,000. */
  readonly duration?: number
}

export interface FanOutResult {
  /** Time from the publish until the last subscriber of the last hub has 99 % of the messages, in ms. */
  readonly p99: number
  /** Processors that the cluster uses in all. */
  readonly natsCpu: number
  /** Bytes per second that the cluster sends to hubs and leaf nodes. */
  readonly natsBytes: number
  /** Bytes per second that each machine sends to subscribers. */
  readonly machineBytes: number
  /** Whether the last messages arrived within 1 s. */
  readonly isStable: boolean
}

/**
 * The way of a message: publisher, a server of the cluster, the other servers, leaf nodes, hubs, subscribers. Servers,
 * machines and hubs are symmetric, so that only the last one of each kind is simulated.
 */
export function simulateFanOut(options: FanOutOptions, seed: number): FanOutResult {
  const { hubs, subscribers, rate, size = 200, servers = 3, processors = 4 } = options
  const { hubsPerMachine = 8, leafNodes = false, bandwidth = 1.25e9, duration = 5_000 } = options
  const simulator = new Simulator(seed)
  const bytes = size + HEADER
  const machines = Math.ceil(hubs / hubsPerMachine)
  const perServer = Math.ceil((leafNodes ? machines : hubs) / servers)
  const [first, last] = [new Processor(simulator), new Processor(simulator)]
  const [serverLink, machineLink] = [new Processor(simulator), new Processor(simulator)]
  const [leaf, hub] = [new Processor(simulator), new Processor(simulator)]
  const latencies: number[] = []
  let gathered: number[] = []
  const toBytesTime = (count: number) => (count / bandwidth) * 1_000

  const flush = () => {
    const messages = gathered
    gathered = []
    hub.work(subscribers * (NODE.write + messages.length * NODE.delivery), () =>
      // The hubs of a machine write at the same time and share its network.
      machineLink.work(toBytesTime(Math.min(hubsPerMachine, hubs) * subscribers * messages.length * bytes), () => {
        for (const at of messages) latencies.push(simulator.now - at + HOP)
      }),
    )
  }
  const atHub = (at: number) =>
    hub.work(NODE.receive, () => {
      if (gathered.push(at) > 1) return
      // Messages that have arrived by then are part of the same turn.
      hub.work(0, flush)
    })
  const atLastServer = (at: number) =>
    last.work((perServer * NATS.copy) / processors, () =>
      serverLink.work(toBytesTime(perServer * bytes), () =>
        simulator.after(HOP, () => {
          if (leafNodes) leaf.work(NATS.receive + hubsPerMachine * NATS.copy, () => atHub(at))
          else atHub(at)
        }),
      ),
    )
  const publish = () => {
    if (simulator.now > duration) return
    const at = simulator.now
    first.work((NATS.receive + (servers - 1 + perServer) * NATS.copy) / processors, () =>
      simulator.after(HOP, () => atLastServer(at)),
    )
    // Publishers are independent of each other.
    simulator.after((-Math.log(1 - simulator.random()) * 1_000) / rate, publish)
  }
  publish()
  simulator.run(duration + 5_000)
  const end = latencies.slice(-10)
  const sorted = latencies.toSorted((a, b) => a - b)
  const perSecond = 1_000 / duration
  return {
    p99: percentile(sorted, 0.99),
    natsCpu: ((first.busy + (servers - 1) * last.busy) * processors) / duration,
    natsBytes: latencies.length * perSecond * (leafNodes ? machines : hubs) * bytes,
    machineBytes: latencies.length * perSecond * Math.min(hubsPerMachine, hubs) * subscribers * bytes,
    isStable: end.length > 0 && end.every((latency) => latency < 1_000),
  }
}

/** Rate at which the search ends, in messages per second. */
const MAX_RATE = 10_000

/** The highest rate, in messages per second, at which 99 % of the messages reach the last subscriber within 100 ms. */
export function highestRate(options: Omit<FanOutOptions, 'rate'>, seed: number): number {
  let [low, high] = [0, MAX_RATE]
  while (high - low > Math.max(1, low * 0.05)) {
    const rate = (low + high) / 2
    // Long enough for a queue that grows to become longer than 100 ms.
    const { p99, isStable } = simulateFanOut({ ...options, rate, duration: Math.max(2_000, 200_000 / rate) }, seed)
    if (isStable && p99 < 100) low = rate
    else high = rate
  }
  return low
}
