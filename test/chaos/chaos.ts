import { z } from 'zod'
import { freePort } from '../../demo/setup/free-port.ts'
import { connect, defineEvents, event } from '../../sdk/index.ts'
import { JetStreamApi } from '../../sdk/jetstream/api.ts'
import { readPage } from '../../sdk/jetstream/page.ts'
import { transportLink } from '../../sdk/jetstream/transport-link.ts'
import { nats } from '../../sdk/nats.ts'
import { ensureStreams } from '../../sdk/streams.ts'
import { eventually } from '../support/eventually.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { startNatsCluster } from '../support/nats-cluster.ts'
import { rootToken, SECRET } from '../support/token.ts'
import { compare } from './compare.ts'
import { createHost } from './host.ts'
import { createRandom } from './random.ts'

export interface ChaosOptions {
  readonly seed: number
  readonly seconds: number
}

export interface ChaosReport {
  readonly seed: number
  readonly acknowledged: number
  readonly faults: Readonly<Record<string, number>>
  readonly subscribers: number
  readonly lost: number
  readonly duplicated: number
  readonly disordered: number
  /** Acknowledged, and not in the stream exactly once. */
  readonly notStoredOnce: number
  readonly gapsTold: number
  /** Of subscribers without a stream. */
  readonly lostWithoutStream: number
  /** From the end of a fault to the next event of those it hit, in ms. */
  readonly resume: { readonly p50: number; readonly p99: number }
  readonly apiRequests: number
}

const streamed = defineEvents({ 'chaos.{id}': event(z.object({ n: z.number() }), { stream: 'CHAOS' }) })
const plain = defineEvents({ 'chaos.{id}': z.object({ n: z.number() }) })
const SUBSCRIBERS = 8
const RATE = 100
const backoff = { first: 50, longest: 1_000 }

/**
 * Publishes numbered events at a steady rate while clients' connections, the bridge, and the leader of a stream in a
 * cluster of three fail as the seed says. At the end everybody must have what the stream has: same events, same order.
 */
export async function runChaos({ seed, seconds }: ChaosOptions): Promise<ChaosReport> {
  const random = createRandom(seed)
  await using cluster = await startNatsCluster()
  const service = nats({ url: (cluster.nodes[0] as { url: string }).url })
  await eventually(() => ensureStreams(streamed, service, { defaults: { replicas: 3, duplicateWindow: 600_000 } }), {
    deadline: 60_000,
    what: 'the cluster to make a stream',
  })
  await service.close()
  const port = await freePort()
  const host = createHost({ port, upstream: cluster.url, auth: { secret: SECRET } })
  await host.start()
  const proxies = await Promise.all(Array.from({ length: SUBSCRIBERS }, () => startFaultProxy(port)))
  const token = await rootToken()
  const common = { token, backoff, pingInterval: 2_000, connectTimeout: 3_000 }
  const publisher = connect({ ...common, url: `http://127.0.0.1:${port}`, events: streamed })
  let gapsTold = 0
  const faultEnds = new Map<number, number>()
  const resumes: number[] = []
  const received = proxies.map(() => [] as number[])
  const buses = proxies.map((proxy, index) => {
    const bus = connect({ ...common, url: `http://127.0.0.1:${proxy.port}`, events: streamed, onGap: () => gapsTold++ })
    bus.on(
      'chaos.{id}',
      ({ seq }) => {
        received[index]?.push(seq ?? 0)
        const since = faultEnds.get(index)
        if (since === undefined) return
        resumes.push(performance.now() - since)
        faultEnds.delete(index)
      },
      { from: 'all' },
    )
    return bus
  })
  const unstreamed: number[] = []
  const core = connect({ ...common, url: `http://127.0.0.1:${proxies[0]?.port}`, events: plain })
  core.on('chaos.{id}', ({ data }) => unstreamed.push(data.n))

  // Publishing at a steady rate; what isn't acknowledged yet is tried again by the SDK.
  const acknowledged: number[] = []
  const underway = new Set<Promise<void>>()
  let published = 0
  const ticker = setInterval(() => {
    const n = ++published
    const done = publisher
      .publish('chaos.{id}', { id: `${n % 5}` }, { n }, { timeout: 110_000 })
      .then(() => void acknowledged.push(n))
      .finally(() => underway.delete(done))
    underway.add(done)
    done.catch(() => {})
  }, 1_000 / RATE)

  const faults: Record<string, number> = {}
  const ended = (indices: readonly number[]) => {
    for (const index of indices) faultEnds.set(index, performance.now())
  }
  const everybody = proxies.map((_, index) => index)
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
  const kinds: Record<string, () => Promise<void>> = {
    async cut() {
      const index = Math.floor(random() * SUBSCRIBERS)
      proxies[index]?.cut()
      ended([index])
    },
    async swallow() {
      const index = Math.floor(random() * SUBSCRIBERS)
      proxies[index]?.pause()
      await pause(500 + random() * 4_000)
      // What was swallowed is gone, and no TCP connection goes on with a hole in it.
      proxies[index]?.cut()
      proxies[index]?.resume()
      ended([index])
    },
    async bridge() {
      await host.kill()
      await pause(random() * 500)
      await host.start()
      ended(everybody)
    },
    async leader() {
      const leader = await cluster.leaderOf('CHAOS')
      if (!leader) return
      await leader.stop()
      await pause(500 + random() * 1_000)
      await leader.restart()
      ended(everybody)
    },
    async freeze() {
      const node = cluster.nodes[Math.floor(random() * 3)]
      node?.pause()
      await pause(300 + random() * 1_000)
      node?.resume()
      ended(everybody)
    },
  }
  const names = Object.keys(kinds)
  const end = performance.now() + seconds * 1_000
  await pause(1_000)
  // Each kind once before any twice, so that a short run has all of them.
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

  // The truth is in the stream.
  const witness = nats({ url: (cluster.nodes[0] as { url: string }).url })
  const api = new JetStreamApi(transportLink(witness))
  const state = await eventually(() => api.streamState('CHAOS'), { deadline: 60_000 })
  const stored: Array<{ seq: number; n: number }> = []
  for (let from = 1; from <= state.lastSeq; ) {
    const page = await readPage(api, 'CHAOS', 'chaos.*', from, state.lastSeq, { messages: 1_000, bytes: 10_000_000 })
    for (const { seq, payload } of page.messages)
      stored.push({ seq, n: JSON.parse(new TextDecoder().decode(payload)).n })
    from = page.to + 1
  }
  const expected = stored.map(({ seq }) => seq)
  await eventually(() => received.every((seqs) => seqs.at(-1) === state.lastSeq), {
    deadline: 60_000,
    what: 'everybody to have caught up',
  }).catch(() => {})
  const verdicts = received.map((seqs) => compare(expected, seqs))
  const times = new Map<number, number>()
  for (const { n } of stored) times.set(n, (times.get(n) ?? 0) + 1)
  const apiRequests = await cluster.apiRequests()
  await Promise.all([...buses, core, publisher, witness].map((one) => one.close()))
  await host.kill()
  await Promise.all(proxies.map((proxy) => proxy.close()))
  const sum = (count: (verdict: (typeof verdicts)[number]) => number) =>
    verdicts.reduce((total, verdict) => total + count(verdict), 0)
  resumes.sort((a, b) => a - b)
  const at = (share: number) =>
    Math.round(resumes[Math.min(resumes.length - 1, Math.floor(resumes.length * share))] ?? 0)
  return {
    seed,
    acknowledged: acknowledged.length,
    faults,
    subscribers: SUBSCRIBERS,
    lost: sum(({ lost }) => lost.length),
    duplicated: sum(({ duplicated }) => duplicated.length),
    disordered: sum(({ ordered }) => (ordered ? 0 : 1)),
    notStoredOnce: acknowledged.filter((n) => times.get(n) !== 1).length,
    gapsTold,
    lostWithoutStream: acknowledged.length - new Set(unstreamed).size,
    resume: { p50: at(0.5), p99: at(0.99) },
    apiRequests,
  }
}
