import { z } from 'zod'
import { connect, defineEvents, event, type SpanwireError } from '../../sdk/index.ts'
import { nats } from '../../sdk/transport/nats/index.ts'
import { eventually } from '../support/eventually.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { startNatsCluster } from '../support/nats-cluster.ts'
import { createRandom } from '../support/seed.ts'
import { rootToken } from '../support/token.ts'
import { createStream, readStored } from './chaos-stream.ts'
import { compare, type Stored } from './compare.ts'
import { startNodeHost, startWorkerHost } from './host.ts'

export interface ChaosOptions {
  readonly seed: number
  readonly seconds: number
  /** Runtime of the bridge. Default `node`. */
  readonly host?: 'node' | 'workerd'
}

export interface ChaosReport {
  readonly seed: number
  readonly acknowledged: number
  readonly faults: Readonly<Record<string, number>>
  readonly subscribers: number
  readonly lost: number
  readonly duplicated: number
  readonly disordered: number
  /** Received events that the stream does not have. */
  readonly unexpected: number
  /** Number of publishes that the SDK rejected, by reason. */
  readonly rejected: Readonly<Record<string, number>>
  /** Events that were acknowledged but not stored, and events that were stored more than once. */
  readonly notStoredOnce: number
  readonly gapsTold: number
  /** Gaps that subscribers without a stream reported. */
  readonly lostWithoutStream: number
  /** Time from the end of a fault to the next event of each affected subscriber, in ms. */
  readonly resume: { readonly p50: number; readonly p99: number; readonly slowest: readonly Resume[] }
  readonly apiRequests: number
}

/** A subscriber that received events again after a fault. The last one is connected to NATS directly. */
export interface Resume {
  readonly subscriber: number
  readonly fault: string
  readonly ms: number
}

const streamed = defineEvents({ 'chaos.{id}': event(z.object({ n: z.number() }), { stream: 'CHAOS' }) })
const plain = defineEvents({ 'chaos.{id}': z.object({ n: z.number() }) })
const SUBSCRIBERS = 8
const RATE = 100
const backoff = { first: 50, longest: 1_000 }

/**
 * Publishes numbered events at a steady rate. Meanwhile connections, the bridge, and the leader of the stream in a
 * cluster of three fail in an order that the seed determines. At the end each subscriber must have received the events
 * of the stream, once and in order.
 */
export async function runChaos({ seed, seconds, host: kind = 'node' }: ChaosOptions): Promise<ChaosReport> {
  const random = createRandom(seed)
  await using cluster = await startNatsCluster()
  // All parts are stopped, even after a failure.
  await using rest = new AsyncDisposableStack()
  await createStream((cluster.nodes[0] as { url: string }).url)
  const host = await (kind === 'node' ? startNodeHost : startWorkerHost)(cluster.url)
  rest.defer(() => host.stop())
  const { port } = host
  const proxies = await Promise.all(Array.from({ length: SUBSCRIBERS }, () => startFaultProxy(port)))
  const token = await rootToken()
  const common = { token, backoff, pingInterval: 2_000, connectTimeout: 3_000 }
  const publisherProxy = await startFaultProxy(port)
  for (const proxy of [...proxies, publisherProxy]) rest.use(proxy)
  const publisher = connect({
    ...common,
    url: `http://127.0.0.1:${publisherProxy.port}`,
    events: streamed,
    // A stream may have no leader for more than 10 s. The queue must not be the limit here.
    offline: { maxMessages: 10_000 },
  })
  rest.use(publisher)
  let gapsTold = 0
  const faultEnds = new Map<number, { readonly fault: string; readonly at: number }>()
  const resumes: Resume[] = []
  // One more subscriber connects to NATS directly.
  const received = [...proxies, undefined].map(() => [] as Stored[])
  const follow = (index: number, from: 'all' | { readonly cursor: string }) => {
    const proxy = proxies[index]
    // One of them is behind a network that blocks WebSockets.
    const via = index === 0 ? 'sse' : 'websocket'
    const onGap = () => gapsTold++
    const bus = proxy
      ? connect({ ...common, url: `http://127.0.0.1:${proxy.port}`, via, events: streamed, onGap })
      : connect({ transport: nats({ url: (cluster.nodes[1] as { url: string }).url }), events: streamed, onGap })
    const handle = bus.on(
      'chaos.{id}',
      ({ seq = 0, data }) => {
        received[index]?.push({ seq, n: data.n })
        const end = faultEnds.get(index)
        if (!end) return
        resumes.push({ subscriber: index, fault: end.fault, ms: Math.round(performance.now() - end.at) })
        faultEnds.delete(index)
      },
      { from },
    )
    return { bus, handle }
  }
  const followers = received.map((_, index) => follow(index, 'all'))
  rest.defer(async () => {
    await Promise.all(followers.map(({ bus }) => bus.close()))
  })
  const unstreamed: number[] = []
  const core = connect({ ...common, url: `http://127.0.0.1:${proxies[0]?.port}`, events: plain })
  rest.use(core)
  core.on('chaos.{id}', ({ data }) => unstreamed.push(data.n))

  // Publishes at a steady rate. The SDK retries publishes until they are acknowledged.
  const acknowledged: number[] = []
  const underway = new Set<Promise<void>>()
  let published = 0
  const rejected: Record<string, number> = {}
  const ticker = setInterval(() => {
    const n = ++published
    const done = publisher
      .publish('chaos.{id}', { id: `${n % 5}` }, { n }, { timeout: 110_000 })
      .then(() => void acknowledged.push(n))
      .catch(({ code, message }: SpanwireError) => {
        const reason = `${code}: ${message}`
        rejected[reason] = (rejected[reason] ?? 0) + 1
      })
      .finally(() => underway.delete(done))
    underway.add(done)
  }, 1_000 / RATE)
  rest.defer(async () => clearInterval(ticker))

  const faults: Record<string, number> = {}
  const ended = (fault: string, indices: readonly number[]) => {
    // A second fault during a fault does not restart the measurement.
    for (const index of indices) if (!faultEnds.has(index)) faultEnds.set(index, { fault, at: performance.now() })
  }
  const everybody = received.map((_, index) => index)
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
  const kinds: Record<string, () => Promise<void>> = {
    async cut() {
      const index = Math.floor(random() * SUBSCRIBERS)
      proxies[index]?.cut()
      publisherProxy.cut()
      ended('cut', [index])
    },
    async swallow() {
      const index = Math.floor(random() * SUBSCRIBERS)
      proxies[index]?.pause()
      await pause(500 + random() * 4_000)
      // The proxy dropped bytes. A TCP connection cannot continue with a gap.
      proxies[index]?.cut()
      proxies[index]?.resume()
      ended('swallow', [index])
    },
    /** A page that is reloaded and resumes from its saved cursor. */
    async reload() {
      const index = SUBSCRIBERS - 1
      const { bus, handle } = followers[index] as (typeof followers)[number]
      const { cursor } = handle
      if (cursor === undefined) return
      await bus.close()
      followers[index] = follow(index, { cursor })
      ended('reload', [index])
    },
    async bridge() {
      await host.restart()
      ended('bridge', everybody)
    },
    async leader() {
      const leader = await eventually(() => cluster.leaderOf('CHAOS'), { deadline: 30_000, what: 'a leader' })
      await cluster.stop(leader)
      await pause(500 + random() * 1_000)
      await leader.restart()
      ended('leader', everybody)
    },
    async freeze() {
      const node = cluster.nodes[Math.floor(random() * 3)]
      node?.pause()
      await pause(300 + random() * 1_000)
      node?.resume()
      ended('freeze', everybody)
    },
  }
  const names = Object.keys(kinds)
  const end = performance.now() + seconds * 1_000
  await pause(1_000)
  // Each kind once before any kind twice, so that a short run has all kinds.
  let bag: string[] = []
  while (performance.now() < end) {
    if (bag.length === 0) bag = [...names]
    const [name = 'cut'] = bag.splice(Math.floor(random() * bag.length), 1)
    faults[name] = (faults[name] ?? 0) + 1
    await kinds[name]?.()
    await pause(200 + random() * 800)
  }
  clearInterval(ticker)
  await Promise.allSettled([...underway])

  // The stream has the expected events.
  const stored = await readStored((cluster.nodes[0] as { url: string }).url)
  const lastSeq = stored.at(-1)?.seq ?? 0
  await eventually(() => received.every((events) => (events.at(-1)?.seq ?? 0) >= lastSeq), {
    deadline: 60_000,
    what: 'all subscribers to catch up',
  }).catch(() => {})
  const verdicts = received.map((events) => compare(stored, events))
  const times = new Map<number, number>()
  for (const { n } of stored) times.set(n, (times.get(n) ?? 0) + 1)
  const apiRequests = await cluster.apiRequests()
  const sum = (count: (verdict: (typeof verdicts)[number]) => number) =>
    verdicts.reduce((total, verdict) => total + count(verdict), 0)
  resumes.sort((a, b) => a.ms - b.ms)
  const at = (share: number) => resumes[Math.min(resumes.length - 1, Math.floor(resumes.length * share))]?.ms ?? 0
  return {
    seed,
    acknowledged: acknowledged.length,
    faults,
    subscribers: received.length,
    lost: sum(({ lost }) => lost.length),
    duplicated: sum(({ duplicated }) => duplicated.length),
    unexpected: sum(({ unexpected }) => unexpected.length),
    rejected,
    disordered: sum(({ ordered }) => (ordered ? 0 : 1)),
    notStoredOnce:
      acknowledged.filter((n) => !times.has(n)).length + [...times.values()].filter((count) => count > 1).length,
    gapsTold,
    lostWithoutStream: acknowledged.length - new Set(unstreamed).size,
    resume: { p50: at(0.5), p99: at(0.99), slowest: resumes.slice(-8) },
    apiRequests,
  }
}
