import { connect as connectNats, Events } from 'nats'
import { connect, webSocket } from '../../sdk/index.ts'
import { JetStreamApi } from '../../sdk/jetstream/api.ts'
import { readPage } from '../../sdk/jetstream/page.ts'
import { ensureStreams } from '../../sdk/streams/index.ts'
import { transportLink } from '../../sdk/transport/jetstream-link.ts'
import { nats } from '../../sdk/transport/nats/index.ts'
import { eventually } from '../support/eventually.ts'
import { type NatsCluster, startNatsCluster } from '../support/nats-cluster.ts'
import type { Runtime } from '../support/process-host.ts'
import { createRandom } from '../support/seed.ts'
import { createToken, SECRET } from '../support/token.ts'
import { clusterEvents, USERS } from './cluster-contract.ts'
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
  /** Called with each fault after it was measured. */
  readonly onFault?: (fault: MeasuredFault) => void
}

const BRIDGES = 4
const ADMIN_KEY = 'a-key-for-administrators-of-32-letters'
/** Deliveries per second of all clients together. */
const DELIVERIES = 16_000
const MAX_MEMBERS = 400
/** Time for all clients to be live and to have all events after a fault, in ms. */
const PATIENCE = 120_000
/** Time after which the members of a killed bridge are gone, in ms. See bridge/presence. */
const GHOSTS = 45_000

/**
 * Clients of four bridges in front of a cluster of three NATS servers. Numbered events flow, while bridges are killed,
 * drained and added, servers are killed and suspended, and an administrator disconnects users, one fault at a time.
 */
export async function runCluster(options: ClusterOptions): Promise<ClusterReport> {
  const { seed, seconds, clients, processes = 2, runtimes = ['node'], onFault } = options
  const random = createRandom(seed)
  await using cluster = await startNatsCluster()
  await using rest = new AsyncDisposableStack()
  await createStream(cluster)
  let crowd: Crowd | undefined
  const fleet = new Fleet(
    { upstream: cluster.url, auth: { secret: SECRET }, admin: { key: ADMIN_KEY } },
    runtimes,
    (urls) => crowd?.tell({ do: 'bridges', urls }),
  )
  rest.defer(() => fleet.stop())
  for (let i = 0; i < BRIDGES; i++) await fleet.add()
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
  const measure = async (kind: string, fault: Fault) => {
    await eventually(() => isSettled(flow.seq), { deadline: PATIENCE, what: `all clients before the fault ${kind}` })
    const began = performance.now()
    await fault((victims) => started.tell({ do: 'begin', ...(victims && { victims }) }))
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
  const kinds = createFaults({ cluster, fleet, random })
  const end = performance.now() + seconds * 1_000
  let bag = Object.keys(kinds)
  while (performance.now() < end || bag.length > 0) {
    if (bag.length === 0) bag = Object.keys(kinds)
    const [kind = ''] = bag.splice(Math.floor(random() * bag.length), 1)
    await measure(kind, kinds[kind] as Fault)
  }

  await flow.stop()
  const stored = await readStream(cluster)
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

/** @param begin starts the measurement, with the bridges that are affected. Default: all. */
type Fault = (begin: (victims?: readonly string[]) => void) => Promise<void>

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

function createFaults({
  cluster,
  fleet,
  random,
}: {
  readonly cluster: NatsCluster
  readonly fleet: Fleet
  readonly random: () => number
}): Record<string, Fault> {
  const anyNode = () => cluster.nodes[Math.floor(random() * cluster.nodes.length)] as (typeof cluster.nodes)[number]
  return {
    'no fault': async (begin) => {
      begin()
      await pause(1_000)
    },
    'bridge killed': async (begin) => {
      const host = fleet.take(random)
      begin([host.url])
      await fleet.kill(host)
      if (fleet.size < BRIDGES) await fleet.add()
    },
    'bridge drained': async (begin) => {
      if (fleet.size <= BRIDGES) await fleet.add()
      const host = fleet.take(random)
      begin([host.url])
      await fleet.drain(host)
    },
    'bridge added': async (begin) => {
      begin()
      await fleet.add()
      // A fleet of at most five.
      if (fleet.size > BRIDGES + 1) await fleet.drain(fleet.take(random))
    },
    'leader of the stream killed': async (begin) => {
      const leader = await eventually(() => cluster.leaderOf('CHAOS'), { deadline: 30_000, what: 'a leader' })
      begin()
      await cluster.stop(leader)
      await pause(1_000)
      await leader.restart()
    },
    'other NATS server killed': async (begin) => {
      const leader = await eventually(() => cluster.leaderOf('CHAOS'), { deadline: 30_000, what: 'a leader' })
      const others = cluster.nodes.filter((node) => node !== leader)
      const node = others[Math.floor(random() * others.length)] ?? leader
      begin()
      await cluster.stop(node)
      await pause(1_000)
      await node.restart()
    },
    'NATS server suspended for 1 s': async (begin) => {
      const node = anyNode()
      begin()
      node.pause()
      await pause(1_000)
      node.resume()
    },
    'user disconnected': async (begin) => {
      const user = `user-${Math.floor(random() * USERS)}`
      begin()
      await eventually(
        async () => {
          const { status } = await fetch(`${fleet.urls[0]}/admin/disconnect`, {
            method: 'POST',
            headers: { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' },
            body: JSON.stringify({ user }),
          })
          return status === 202
        },
        { what: 'the admin route' },
      )
    },
  }
}

async function createStream(cluster: NatsCluster): Promise<void> {
  const transport = nats({ url: cluster.nodes[0]?.url ?? '' })
  const defaults = { replicas: 3, duplicateWindow: 600_000 }
  await eventually(() => ensureStreams(clusterEvents, transport, { defaults }), {
    deadline: 60_000,
    what: 'the cluster to create a stream',
  })
  await transport.close()
}

/** Publishes numbered events at a steady rate: streamed ones through the bridges, the others to NATS directly. */
async function startFlow(cluster: NatsCluster, fleet: Fleet, token: string, rate: number) {
  const publisher = connect({
    transport: webSocket({
      url: fleet.urls[0] ?? '',
      token: () => token,
      via: 'websocket',
      backoff: { first: 100, longest: 2_000 },
      pingInterval: 2_000,
      offline: { maxMessages: 100_000 },
      openSocket: () =>
        new WebSocket(`${fleet.urls[Math.floor(Math.random() * fleet.urls.length)]?.replace('http', 'ws')}/nats`),
    }),
    events: clusterEvents,
  })
  const direct = await connectToNats(cluster)
  const acknowledged: number[] = []
  const rejected: Record<string, number> = {}
  const underway = new Set<Promise<void>>()
  let n = 0
  let seq = 0
  const publish = () => {
    const number = ++n
    const done = publisher
      .publish('chaos.{id}', { id: `${number % 5}` }, { n: number }, { timeout: PATIENCE })
      .then((stored) => {
        acknowledged.push(number)
        seq = Math.max(seq, stored.seq)
      })
      .catch((error: Error) => {
        rejected[error.message] = (rejected[error.message] ?? 0) + 1
      })
      .finally(() => underway.delete(done))
    underway.add(done)
    direct.publish((n) => [`live.${n % 5}`, JSON.stringify({ n })])
  }
  let ticker: ReturnType<typeof setInterval> | undefined = setInterval(publish, 1_000 / rate)
  return {
    acknowledged,
    rejected,
    rate,
    get live() {
      return direct.published
    },
    get unconfirmed() {
      return direct.unconfirmed
    },
    /** Highest sequence that is acknowledged. */
    get seq() {
      return seq
    },
    /** Waits for the acknowledgement of an event that is published from now on. Returns its sequence. */
    async next(): Promise<number> {
      const from = n
      await eventually(() => acknowledged.some((number) => number > from), { deadline: PATIENCE, what: 'a publish' })
      return seq
    },
    async stop(): Promise<void> {
      if (!ticker) return
      clearInterval(ticker)
      ticker = undefined
      await Promise.allSettled([...underway])
      await Promise.all([publisher.close(), direct.close()])
    },
  }
}

/**
 * A publisher of numbered messages at NATS itself. It publishes only with a connection. A message that is not confirmed may
 * be lost before it reaches NATS.
 */
async function connectToNats(cluster: NatsCluster) {
  const servers = cluster.nodes.map(({ port }) => `127.0.0.1:${port}`)
  const connection = await connectNats({ servers, maxReconnectAttempts: -1, reconnectTimeWait: 100, pingInterval: 1_000 })
  let isConnected = true
  let published = 0
  let confirmed = 0
  void (async () => {
    for await (const { type } of connection.status()) {
      if (type === Events.Disconnect) isConnected = false
      if (type === Events.Reconnect) isConnected = true
    }
  })()
  return {
    get published() {
      return published
    },
    get unconfirmed() {
      return published - confirmed
    },
    publish(encode: (n: number) => [subject: string, payload: string]) {
      if (!isConnected) return
      connection.publish(...encode(++published))
      connection.flush().then(
        () => confirmed++,
        () => {},
      )
    },
    close: () => connection.close(),
  }
}

/** Events of the stream, in order. */
async function readStream(cluster: NatsCluster): Promise<Array<{ readonly seq: number; readonly n: number }>> {
  const witness = nats({ url: cluster.nodes[0]?.url ?? '' })
  const api = new JetStreamApi(transportLink(witness))
  const { lastSeq } = await eventually(() => api.streamState('CHAOS'), { deadline: 60_000 })
  const stored = []
  const limits = { messages: 1_000, bytes: 10_000_000 }
  for (let from = 1; from <= lastSeq; ) {
    const page = await eventually(() => readPage(api, 'CHAOS', 'chaos.*', from, lastSeq, limits), { deadline: 60_000 })
    for (const { seq, payload } of page.messages)
      stored.push({ seq, n: JSON.parse(new TextDecoder().decode(payload)).n as number })
    from = page.to + 1
  }
  await witness.close()
  return stored
}
