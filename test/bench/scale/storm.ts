import { defaultLimits } from '../../../bridge/auth/limits.ts'
import { createBackoff } from '../../../sdk/kit/backoff.ts'
import { type Costs, NODE } from './costs.ts'
import { Processor, percentile, Simulator } from './simulator.ts'

/** Time that a client of the SDK waits for a connection, in ms. See `connectTimeout` of its options. */
const CLIENT_PATIENCE = 10_000
/** Interval at which a hub compares its clock with the deadlines of its clients, in ms. */
const TICK = 1_000

export interface StormOptions {
  /** Clients that lose their connection at time 0. Other bridges accept connections immediately. */
  readonly clients: number
  /** Round-trip time between clients and bridge, in ms. Default 40. */
  readonly rtt?: number
  /** Default: a bridge on Node. */
  readonly costs?: Costs
  /** Connections that the kernel holds until the bridge accepts them. Default 511, as in Node. */
  readonly listenBacklog?: number
}

export interface StormResult {
  /** Time until clients are live again, in ms. */
  readonly p50: number
  readonly p99: number
  readonly last: number
  readonly attempts: number
  /** Attempts that clients ended after 10 s. */
  readonly timeouts: number
  /** Number of SYN that the kernel ignored because the backlog was full. */
  readonly ignored: number
}

/** All clients of one hub lose their connection, and connect to one other hub with the backoff of the SDK. */
export function simulateStorm(options: StormOptions, seed: number): StormResult {
  const { clients, rtt = 40, costs = NODE, listenBacklog = 511 } = options
  const simulator = new Simulator(seed)
  const hub = new Processor(simulator)
  const live: number[] = []
  /** Connections in the kernel. The event loop accepts all of them, after the work that it has begun. */
  let pending: Array<() => void> = []
  let [ignored, attempts, timeouts] = [0, 0, 0]

  /** The kernel ignores a SYN if its backlog is full. TCP repeats it after 1, 3, 7, … s. */
  const arrive = (begin: () => void, isOver: () => boolean, repeat = 1_000) => {
    if (isOver()) return
    if (pending.length >= listenBacklog) {
      ignored++
      simulator.after(repeat, () => arrive(begin, isOver, 2 * repeat))
    } else if (pending.push(begin) === 1) {
      hub.work(0, () => {
        const accepted = pending
        pending = []
        for (const next of accepted) next()
      })
    }
  }

  const redial = (failures: number) => {
    const backoff = createBackoff({}, simulator.random)
    backoff.failures = failures
    simulator.after(backoff.next(), () => dial(failures + 1))
  }

  const dial = (failures: number) => {
    attempts++
    let isOver = false
    /** Ends the attempt. Returns false if it has ended already. */
    const end = () => {
      if (isOver) return false
      isOver = true
      return true
    }
    simulator.after(CLIENT_PATIENCE, () => {
      if (!end()) return
      timeouts++
      redial(failures)
    })
    const upgrade = () =>
      hub.work(
        // The client of an ended attempt has closed the socket.
        () => (isOver ? costs.closedSocket : costs.upgrade),
        () => {
          if (isOver) return
          // The hub looks at its deadlines once a second.
          const deadline = Math.ceil((simulator.now + defaultLimits.connectTimeout) / TICK) * TICK
          simulator.after(rtt, () => connect(deadline))
        },
      )
    const connect = (deadline: number) => {
      const isLost = () => isOver || simulator.now >= deadline
      hub.work(
        () => (isLost() ? costs.closedSocket : costs.connect),
        () =>
          simulator.after(rtt / 2, () => {
            if (!end()) return
            if (simulator.now >= deadline + rtt) redial(failures)
            else live.push(simulator.now)
          }),
      )
    }
    simulator.after(rtt / 2, () => arrive(upgrade, () => isOver))
  }

  for (let id = 0; id < clients; id++) redial(0)
  simulator.run(600_000)
  live.sort((a, b) => a - b)
  return {
    p50: percentile(live, 0.5),
    p99: percentile(live, 0.99),
    last: live.at(-1) ?? 0,
    attempts,
    timeouts,
    ignored,
  }
}
