import { defaultLimits } from '../../../bridge/auth/limits.ts'
import { type BackoffOptions, createBackoff } from '../../../sdk/kit/backoff.ts'
import { type Costs, NODE } from './costs.ts'
import { Processor, percentile, Simulator } from './simulator.ts'

/** Time that a client of the SDK waits for a connection, in ms. See `connectTimeout` of its options. */
const CLIENT_PATIENCE = 10_000
/** Interval at which a hub compares its clock with the deadlines of its clients, in ms. */
const TICK = 1_000
/** Steps of a client: the loss, the new connection, its CONNECT. */
const STEPS = 3
/** CPU time to accept the pending connections, in ms. */
const ACCEPT = 0.02

export interface StormOptions {
  /** Clients that lose their connection at time 0. */
  readonly clients: number
  /** Time until a bridge accepts connections, in ms. Default 0: other bridges run already. */
  readonly downtime?: number
  readonly backoff?: BackoffOptions
  /** Round-trip time between clients and bridge, in ms. Default 40. */
  readonly rtt?: number
  /** Default: a bridge on Node. */
  readonly costs?: Costs
  /** Handshakes that the bridge begins before it completes the earliest one. Default: no limit, as today. */
  readonly admission?: number
  /** Connections that the kernel holds until the bridge accepts them. Default 511, as in Node. */
  readonly listenBacklog?: number
  /** The machine of the clients, if its speed matters: CPU time per attempt in ms, and the number of processors. */
  readonly clientMachine?: { readonly cost: number; readonly processors: number }
}

export interface StormResult {
  /** Time until clients are live again, in ms. */
  readonly p50: number
  readonly p99: number
  readonly last: number
  /** Clients that are not live after 10 minutes. */
  readonly missing: number
  readonly attempts: number
  /** Attempts that clients gave up after 10 s. */
  readonly givenUp: number
  /** Attempts that the bridge closed because CONNECT was not processed within 5 s. */
  readonly closed: number
  /** Number of SYN that the kernel ignored because the backlog was full. */
  readonly ignored: number
  /** CPU time of the bridge, in s. */
  readonly busy: number
  /** Share of this time that was spent on attempts that failed. */
  readonly wasted: number
}

/** All clients of one hub lose their connection and connect again with the backoff of the SDK. */
export function simulateStorm(options: StormOptions, seed: number): StormResult {
  const { clients, downtime = 0, rtt = 40, costs = NODE } = options
  const { admission = Number.POSITIVE_INFINITY, listenBacklog = 511 } = options
  const simulator = new Simulator(seed)
  const hub = new Processor(simulator)
  const machine = Array.from({ length: options.clientMachine?.processors ?? 0 }, () => new Processor(simulator))
  const live: number[] = []
  /** Attempts that wait for their handshake, in the order of arrival. */
  const admitted: Array<() => void> = []
  /** Connections in the kernel. The event loop accepts all of them, after the work that it has begun. */
  let pending: Array<() => void> = []
  let handshakes = 0
  let ignored = 0
  let attempts = 0
  let givenUp = 0
  let closed = 0
  let useful = 0

  const admit = (begin: () => void) => {
    if (handshakes >= admission) return void admitted.push(begin)
    handshakes++
    begin()
  }
  const completed = () => {
    handshakes--
    const next = admitted.shift()
    if (!next) return
    handshakes++
    next()
  }
  /** The kernel ignores a SYN if its backlog is full. TCP repeats it after 1, 3, 7, … s. */
  const arrive = (begin: () => void, isOver: () => boolean, repeat = 1_000) => {
    if (isOver()) return
    if (pending.length >= listenBacklog) {
      ignored++
      simulator.after(repeat, () => arrive(begin, isOver, 2 * repeat))
    } else if (pending.push(begin) === 1) {
      hub.work(ACCEPT, () => {
        const accepted = pending
        pending = []
        for (const next of accepted) admit(next)
      })
    }
  }
  /** Work of a client, on its own machine. */
  const atClient = (id: number, run: () => void) => {
    const processor = machine[id % Math.max(1, machine.length)]
    if (processor) processor.work((options.clientMachine?.cost ?? 0) / STEPS, run)
    else run()
  }

  const redial = (id: number, failures: number) => {
    const backoff = createBackoff(options.backoff, simulator.random)
    backoff.failures = failures
    simulator.after(backoff.next(), () => atClient(id, () => dial(id, failures + 1)))
  }

  const dial = (id: number, failures: number) => {
    attempts++
    let isOver = false
    /** Ends the attempt once. Returns whether this call has ended it. */
    const end = () => !isOver && (isOver = true)
    simulator.after(CLIENT_PATIENCE, () => {
      if (!end()) return
      givenUp++
      // A timeout counts as two refusals.
      redial(id, failures + 1)
    })
    simulator.after(rtt / 2, () => {
      if (simulator.now < downtime) {
        simulator.after(rtt / 2, () => end() && redial(id, failures))
        return
      }
      arrive(
        () =>
          hub.work(
            // An attempt that its client has given up is a closed socket.
            () => (isOver ? costs.closedSocket : costs.upgrade),
            () => {
              if (isOver) return completed()
              const deadline = simulator.now + defaultLimits.connectTimeout
              simulator.after(rtt, () =>
                atClient(id, () =>
                  hub.work(
                    () => {
                      const isLate = simulator.now >= Math.ceil(deadline / TICK) * TICK
                      return isOver || isLate ? costs.closedSocket : costs.connect
                    },
                    () => {
                      completed()
                      if (isOver) return
                      if (simulator.now >= Math.ceil(deadline / TICK) * TICK) {
                        closed++
                        simulator.after(rtt / 2, () => end() && redial(id, failures))
                        return
                      }
                      useful += costs.upgrade + costs.connect
                      simulator.after(rtt / 2, () => {
                        if (end()) live.push(simulator.now)
                      })
                    },
                  ),
                ),
              )
            },
          ),
        () => isOver,
      )
    })
  }

  for (let id = 0; id < clients; id++) atClient(id, () => redial(id, 0))
  simulator.run(600_000)
  live.sort((a, b) => a - b)
  return {
    p50: percentile(live, 0.5),
    p99: percentile(live, 0.99),
    last: live.at(-1) ?? 0,
    missing: clients - live.length,
    attempts,
    givenUp,
    closed,
    ignored,
    busy: hub.busy / 1_000,
    wasted: hub.busy === 0 ? 0 : 1 - useful / hub.busy,
  }
}
