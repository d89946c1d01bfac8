import { eventually } from '../support/eventually.ts'
import { startNatsCluster } from '../support/nats-cluster.ts'
import type { Runtime } from '../support/process-host.ts'
import { createRandom } from '../support/seed.ts'
import { createToken, SECRET } from '../support/token.ts'
import { createStream, readStored } from './chaos-stream.ts'
import { USERS } from './cluster-contract.ts'
import { ADMIN_KEY, BRIDGES, createFaults, FAULT_KINDS, type FaultKind } from './cluster-faults.ts'
import { startFlow } from './cluster-flow.ts'
import { type ClusterReport, createReport, type MeasuredFault } from './cluster-report.ts'
import { Crowd } from './crowd.ts'
import { Fleet } from './fleet.ts'

export interface ClusterOptions {
  readonly seed: number
  /** Duration in s. Every kind of fault happens at least once, even if that takes longer. */
  readonly seconds: number
  readonly clients: number
  /** Processes of the clients. Default 2. */
  readonly processes?: number
  /** Runtimes of the bridges, in turn. Default: Node. */
  readonly runtimes?: readonly Runtime[]
  /** Kinds of faults. Default: all. */
  readonly kinds?: readonly FaultKind[]
  /** Called with each fault after it was measured. */
  readonly onFault?: (fault: MeasuredFault) => void
}

/** Deliveries per second of all clients together. */
const DELIVERIES = 16_000
const MAX_MEMBERS = 400
/** Time for all clients to be live and to have all events after a fault, in ms. */
const PATIENCE = 120_000
/** Time after which the members of a killed bridge have left, in ms. See bridge/presence. */
const GHOSTS = 45_000

/**
 * Clients of four bridges in front of a cluster of three NATS servers. Numbered events flow, while bridges are killed,
 * drained and added, servers are killed and suspended, and an administrator disconnects users, one fault at a time.
 */
export async function runCluster(options: ClusterOptions): Promise<ClusterReport> {
  const { seed, seconds, clients, processes = 2, runtimes = ['node'], kinds = FAULT_KINDS, onFault } = options
  const random = createRandom(seed)
  await using cluster = await startNatsCluster()
  await using rest = new AsyncDisposableStack()
  await createStream(cluster.nodes[0]?.url ?? '')
  let crowd: Crowd | undefined
  const fleet = new Fleet(
    { upstream: cluster.url, auth: { secret: SECRET }, admin: { key: ADMIN_KEY } },
    runtimes,
    (urls) => crowd?.tell({ do: 'bridges', urls }),
  )
  rest.defer(() => fleet.stop())
  await Promise.all(Array.from({ length: BRIDGES }, () => fleet.add()))
  const tokens = await Promise.all(
    Array.from({ length: USERS }, (_, user) =>
      createToken({
        sub: `user-${user}`,
        pub: { allow: ['>'] },
        subscribe: { allow: ['>'] },
        // Longer than a run.
        expiresIn: 86_400,
      }),
    ),
  )
  const order = { members: Math.min(clients, MAX_MEMBERS), urls: fleet.urls, tokens }
  const started = await Crowd.start(order, clients, processes)
  crowd = started
  rest.defer(() => started.stop())
  const flow = await startFlow(cluster, fleet, tokens[0] ?? '', Math.min(100, Math.max(2, DELIVERIES / clients)))
  rest.defer(() => flow.stop())

  const isSettled = async (seq: number) => {
    const state = await started.state()
    return state.open === state.clients && state.seq >= seq && state.complete === state.members
  }
  /** Runs a fault and waits until all clients are live and have all events. */
  const measure = async (kind: FaultKind) => {
    await eventually(() => isSettled(flow.seq), { deadline: PATIENCE, what: `all clients before the fault ${kind}` })
    const began = performance.now()
    await run[kind]((victims) => started.tell({ do: 'begin', ...(victims && { victims }) }))
    const seq = await flow.next()
    const state = () => started.state().then((now) => JSON.stringify(now))
    await eventually(() => isSettled(seq), { deadline: PATIENCE, what: `all clients after the fault ${kind}` }).catch(
      async (error) => {
        throw new Error(`${(error as Error).message}: ${await state()}`, { cause: error })
      },
    )
    const settled = performance.now() - began
    const measured = { kind, settled, windows: await started.query('end') }
    faults.push(measured)
    onFault?.(measured)
  }
  const faults: MeasuredFault[] = []
  const run = createFaults({ cluster, fleet, random })
  const end = performance.now() + seconds * 1_000
  let bag = [...kinds]
  while (performance.now() < end || bag.length > 0) {
    if (bag.length === 0) bag = [...kinds]
    const [kind = 'no fault'] = bag.splice(Math.floor(random() * bag.length), 1)
    await measure(kind)
  }

  await flow.stop()
  const stored = await readStored(cluster.nodes[0]?.url ?? '')
  const last = stored.at(-1)?.seq ?? 0
  await eventually(() => isSettled(last), { deadline: PATIENCE, what: 'all clients at the end' })
  const presence = await eventually(
    async () => {
      const { exact, members } = await started.state()
      return exact === members ? { exact, members } : undefined
    },
    { deadline: GHOSTS, what: 'exact presence' },
  ).catch(() => started.state())
  return createReport({ seed, clients, faults, stored, flow, presence, results: await started.query('finish') })
}
