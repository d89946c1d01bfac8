import { connect as connectNats, DeliverPolicy, type NatsConnection } from 'nats'
import { serve } from '../../bridge/hosts/node.ts'
import { type Bus, connect } from '../../sdk/index.ts'
import { nats } from '../../sdk/transport/nats/index.ts'
import { eventually } from '../support/eventually.ts'
import { markdownTable } from '../support/markdown-table.ts'
import { type NatsCluster, startNatsCluster } from '../support/nats-cluster.ts'
import { rootToken, SECRET } from '../support/token.ts'
import { createStream } from './chaos-stream.ts'
import { clusterEvents } from './cluster-contract.ts'

/** Parts whose events stop with the stream's leader. */
const KINDS = {
  stores: 'nats-server stores events again',
  creates: 'nats-server creates consumers again',
  publisher: 'publisher of the SDK through a bridge',
  bare: 'ordered consumer of nats.js',
  direct: 'subscriber of the SDK at NATS',
  bridged: 'subscriber of the SDK through a bridge',
}
type Kind = keyof typeof KINDS

/** Subscribers of each kind. */
const SUBSCRIBERS = 4
/** Interval at which each publisher publishes, in ms. */
const INTERVAL = 20
/** Time for all parts of Spanwire, and then for the consumers of nats.js, in ms. */
const PATIENCE = 120_000
const BARE_PATIENCE = 20_000

/** Times of one part, over all losses, in ms. */
export interface LeaderLoss {
  readonly kind: Kind
  /** From the end of the leader until the part received or published an event. Infinity: never. */
  readonly after: number
  /** The part of it after nats-server stored events and created consumers again. */
  readonly beyond: number
}

/**
 * Kills the leader of a stream `times` times in a cluster of three. A publisher of nats.js publishes to the stream, and
 * subscribers of nats.js and of Spanwire receive the same events.
 */
export async function measureLeaderLoss(
  times: number,
  onLoss?: (losses: readonly LeaderLoss[]) => void,
): Promise<LeaderLoss[]> {
  await using cluster = await startNatsCluster()
  await using rest = new AsyncDisposableStack()
  const urlOf = (i: number) => cluster.nodes[i % cluster.nodes.length]?.url ?? ''
  await createStream(urlOf(0))
  const bridges = await Promise.all([0, 1].map(() => serve({ upstream: cluster.url, auth: { secret: SECRET } })))
  for (const bridge of bridges) rest.use(bridge)
  const token = await rootToken()
  const backoff = { first: 100, longest: 2_000 }
  const bridged = (i: number) =>
    connect({ url: bridges[i % bridges.length]?.url ?? '', token, backoff, via: 'websocket', events: clusterEvents })

  let lostAt = Number.POSITIVE_INFINITY
  const resumedAt = new Map<string, number>()
  const take = (part: string, publishedAt: number) => {
    if (publishedAt > lostAt && !resumedAt.has(part)) resumedAt.set(part, performance.now())
  }
  const follow = async (part: string, bus: Bus<typeof clusterEvents>) => {
    rest.use(bus)
    await bus.on('chaos.{id}', ({ data: { n } }) => take(part, n), { from: 'new' }).ready
  }
  const bare = new Map<string, NatsConnection>()
  rest.defer(async () => {
    for (const connection of bare.values()) await connection.close()
  })
  const followBare = async (part: string) => {
    await bare.get(part)?.close()
    bare.set(part, await consumeBare(cluster, (n) => take(part, n)))
  }
  for (let i = 0; i < SUBSCRIBERS; i++) {
    await followBare(`bare ${i}`)
    await follow(`direct ${i}`, connect({ transport: nats({ url: urlOf(i) }), events: clusterEvents }))
    await follow(`bridged ${i}`, bridged(i))
  }
  const connection = await connectBare(cluster)
  rest.defer(() => connection.close())
  const publisher = rest.use(bridged(0))
  const ticker = setInterval(() => {
    const n = performance.now()
    connection
      .jetstream()
      .publish('chaos.bare', JSON.stringify({ n }), { timeout: 1_000 })
      .then(() => take('stores', n))
      .catch(() => {})
    // Its events have no time, so that they do not count for the subscribers.
    publisher
      .publish('chaos.{id}', { id: 'sdk' }, { n: 0 })
      .then(() => take('publisher', n))
      .catch(() => {})
  }, INTERVAL)
  rest.defer(() => clearInterval(ticker))
  const config = {
    deliver_policy: 'new',
    ack_policy: 'none',
    mem_storage: true,
    num_replicas: 1,
    inactive_threshold: 1e9,
  }
  const create = JSON.stringify({ stream_name: 'CHAOS', config })
  const prober = setInterval(() => {
    const n = performance.now()
    connection
      .request('$JS.API.CONSUMER.CREATE.CHAOS', create, { timeout: 1_000 })
      .then((answer) => answer.json<{ error?: object }>().error ?? take('creates', n))
      .catch(() => {})
  }, 5 * INTERVAL)
  rest.defer(() => clearInterval(prober))

  const parts = ['direct', 'bridged', 'bare'].flatMap((kind) =>
    Array.from({ length: SUBSCRIBERS }, (_, i) => `${kind} ${i}`),
  )
  const ours = ['stores', 'creates', 'publisher', ...parts.filter((part) => !bare.has(part))]
  const losses: LeaderLoss[] = []
  for (let i = 0; i < times; i++) {
    const leader = await eventually(() => cluster.leaderOf('CHAOS'), { deadline: 60_000, what: 'a leader' })
    resumedAt.clear()
    await cluster.stop(leader)
    lostAt = performance.now()
    await eventually(() => ours.every((part) => resumedAt.has(part)), {
      deadline: PATIENCE,
      what: 'all parts of Spanwire',
    })
    const stuck = () => [...bare.keys()].filter((part) => !resumedAt.has(part))
    await eventually(() => stuck().length === 0, { deadline: BARE_PATIENCE }).catch(() => {})
    const at = (part: string) => resumedAt.get(part) ?? Number.POSITIVE_INFINITY
    const measured = [...ours, ...bare.keys()].map((part) => ({
      kind: part.split(' ')[0] as Kind,
      after: at(part) - lostAt,
      beyond: Math.max(0, at(part) - Math.max(at('stores'), at('creates'))),
    }))
    lostAt = Number.POSITIVE_INFINITY
    losses.push(...measured)
    onLoss?.(measured)
    for (const part of stuck()) await followBare(part)
    await leader.restart()
    await eventually(() => cluster.isCurrent('CHAOS'), { deadline: 60_000, what: 'all replicas', interval: 200 })
  }
  return losses
}

function connectBare({ nodes }: NatsCluster): Promise<NatsConnection> {
  const servers = nodes.map(({ port }) => `127.0.0.1:${port}`)
  return connectNats({ servers, maxReconnectAttempts: -1, reconnectTimeWait: 100 })
}

/** An ordered consumer of nats.js, with its defaults. */
async function consumeBare(cluster: NatsCluster, take: (n: number) => void): Promise<NatsConnection> {
  const connection = await connectBare(cluster)
  const consumer = await connection
    .jetstream()
    .consumers.get('CHAOS', { filterSubjects: 'chaos.>', deliver_policy: DeliverPolicy.New })
  await consumer.consume({ callback: (message) => take(message.json<{ n: number }>().n) })
  return connection
}

/** The times as a table in Markdown. */
export function toLeaderTable(losses: readonly LeaderLoss[]): string {
  const seconds = (ms: number) => (ms === Number.POSITIVE_INFINITY ? '' : `${(ms / 1_000).toFixed(1)} s`)
  const cells = Object.entries(KINDS).map(([kind, name]) => {
    const all = losses.filter((loss) => loss.kind === kind)
    const resumed = all.filter(({ after }) => after !== Number.POSITIVE_INFINITY)
    const quantiles = (of: (loss: LeaderLoss) => number) => {
      const sorted = resumed.map(of).sort((a, b) => a - b)
      return [0.5, 0.99, 1].map((share) => seconds(sorted[Math.floor((sorted.length - 1) * share)] ?? 0))
    }
    const counts = [String(all.length), String(all.length - resumed.length)]
    return [name, ...counts, ...quantiles(({ after }) => after), ...quantiles(({ beyond }) => beyond)]
  })
  const heads = ['part', 'times', 'not within 20 s', 'p50', 'p99', 'longest', 'beyond NATS: p50', 'p99', 'longest']
  return markdownTable(heads, cells)
}
