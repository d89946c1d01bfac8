import { setTimeout as pause } from 'node:timers/promises'
import type { BrokerKind } from '../../demo/setup/brokers/foreign-broker.ts'
import { connect } from '../../sdk/index.ts'
import { ensureStreams } from '../../sdk/streams/index.ts'
import { nats } from '../../sdk/transport/nats/index.ts'

import { eventually } from '../support/eventually.ts'
import { startNatsCluster } from '../support/nats-cluster.ts'
import { createRandom } from '../support/seed.ts'
import { startBroker } from './brokers.ts'
import { chaosContract, type Numbered } from './chaos-contract.ts'
import { countStored, readStream, type StoredEvent } from './stored.ts'
import { startWorker, whenReady } from './worker-process.ts'

/** A run of the kill test. */
export interface RelayChaosOptions {
  readonly kind: BrokerKind
  readonly seed: number
  /** How long processes are killed. */
  readonly seconds: number
  /** Messages of each direction. */
  readonly messages: number
  /** Whether a third relay has no ids. It must store repetitions, or the test proves nothing. */
  readonly control: boolean
  readonly store?: 'batches' | 'ids'
}

/** The result of a run. */
export interface RelayChaosReport {
  readonly kills: Readonly<Record<string, number>>
  readonly inwards: Verdict
  readonly outwards: Verdict & { readonly repetitions: number; readonly otherIds: number }
  /** Messages of the control that are stored more than once. */
  readonly controlRepeated: number | undefined
}

/** Faults of one direction. */
export interface Verdict {
  readonly lost: number
  readonly repeated: number
  readonly inversions: number
}

const KEYS = 50
/** The time of a relay for one message, in ms: both directions take about as long as the kills. */
const DELAY = 1

/** Relays in both directions while the relay, nodes of NATS and the foreign broker are killed in the order of the seed. */
export async function runRelayChaos(options: RelayChaosOptions): Promise<RelayChaosReport> {
  const { kind, seed, seconds, messages, control, store = 'batches' } = options
  const random = createRandom(seed)
  await using rest = new AsyncDisposableStack()
  const [foreign, cluster] = await Promise.all([startBroker(kind), startNatsCluster()])
  rest.use(foreign)
  rest.use(cluster)
  const [first] = cluster.nodes
  const url = first?.url ?? ''
  const names = control ? (['in', 'out', 'control'] as const) : (['in', 'out'] as const)
  const events = chaosContract(0)
  const transport = nats({ url })
  rest.defer(() => transport.close())
  await eventually(() => ensureStreams(events, transport, { defaults: { replicas: 3, duplicateWindow: 600_000 } }), {
    deadline: 60_000,
    what: 'the cluster to make the streams',
  })
  await foreign.prepare(...names)
  const numbered = Array.from({ length: messages }, (_, n): Numbered => ({ n, key: `k.${n % KEYS}` }))
  const sent = numbered.map((one) => ({ key: one.key, id: `m${one.n}`, value: JSON.stringify(one) }))
  const bus = connect({ transport, events })
  await Promise.all([
    foreign.send('in', sent),
    control ? foreign.send('control', sent) : undefined,
    publishAll(numbered, (one) =>
      bus.publish('out.{key}', { key: one.key.replace('.', '%2E') }, one, { id: `m${one.n}` }),
    ),
  ])
  const settleDelay = control ? 300 : 0
  const start = (delay: number) =>
    startWorker({ nats: url, kind, broker: foreign.broker.url, delay, settleDelay, relays: names, store })
  let worker = start(DELAY)
  rest.defer(() => worker.kill())
  await whenReady(worker)
  const kills: Record<string, number> = { relay: 0, nats: 0, broker: 0 }
  const acts: Record<string, () => Promise<void>> = {
    async relay() {
      // Once between storing and acknowledging: the moment in which the control has to fail.
      const settled = () => worker.output.split('settling control').length
      const before = settled()
      if (control && kills.relay === 0)
        await eventually(() => settled() > before, { deadline: 60_000, what: 'the control to acknowledge' })
      await worker.kill()
      worker = start(DELAY)
    },
    async nats() {
      const node = cluster.nodes[Math.floor(random() * 3)]
      await node?.stop()
      await pause(300 + random() * 700)
      await node?.restart()
    },
    broker: () => foreign.broker.restart(),
  }
  const end = performance.now() + seconds * 1_000
  // On a machine under load the time can end before each kind was killed.
  const isOver = () => performance.now() >= end && Math.min(...Object.values(kills)) > 0
  for (let bag: string[] = []; !isOver(); ) {
    // Each kind once before any twice.
    if (bag.length === 0) bag = ['relay', 'nats', 'relay', 'broker', 'relay']
    const [act = 'relay'] = bag.splice(Math.floor(random() * bag.length), 1)
    await pause(200 + random() * 1_500)
    await acts[act]?.()
    kills[act] = (kills[act] ?? 0) + 1
  }
  // The rest needs no delay.
  await worker.kill()
  worker = start(0)
  const deadline = { deadline: 120_000, interval: 250 }
  const report = () => worker.output.split('\n').slice(-6).join('\n')
  await eventually(async () => (await countStored(cluster.url, 'IN', 'in.*')) >= messages, {
    ...deadline,
    what: `all to be relayed inwards; the output of the relay:\n${report()}`,
  })
  await eventually(async () => (await backlog(cluster.url)) === 0, { ...deadline, what: 'all to be relayed outwards' })
  if (control)
    await eventually(async () => (await countStored(cluster.url, 'CONTROL', 'control.*')) >= messages, {
      ...deadline,
      what: 'the control to be relayed',
    })
  await worker.stop()
  const received = (await foreign.receiveAll('out')).map(({ id, key, value }) => ({
    id,
    key,
    ...(JSON.parse(value ?? '{}') as { n: number }),
  }))
  const inwards = (await readStream(cluster.url, 'IN')).filter(isEvent).map(toNumbered)
  const firsts = withoutRepetitions(received)
  return {
    kills,
    inwards: judge(numbered, inwards),
    outwards: {
      ...judge(numbered, firsts),
      repetitions: received.length - firsts.length,
      otherIds: received.filter(({ id, n }) => id !== `m${n}`).length,
    },
    controlRepeated: control
      ? judge(numbered, (await readStream(cluster.url, 'CONTROL')).filter(isEvent).map(toNumbered)).repeated
      : undefined,
  }
}

async function publishAll(all: readonly Numbered[], publish: (one: Numbered) => Promise<unknown>): Promise<void> {
  for (let from = 0; from < all.length; from += 500) await Promise.all(all.slice(from, from + 500).map(publish))
}

async function backlog(url: string): Promise<number> {
  const { connect: connectNats } = await import('nats')
  const connection = await connectNats({ servers: url.split(',').map((one) => one.replace('nats://', '')) })
  try {
    const manager = await connection.jetstreamManager()
    const { num_pending, num_ack_pending } = await manager.consumers.info('OUT', 'out')
    return num_pending + num_ack_pending
  } finally {
    await connection.close()
  }
}

function isEvent({ subject }: StoredEvent): boolean {
  return !subject.startsWith('$')
}

function toNumbered({ text }: StoredEvent): Numbered {
  return JSON.parse(text) as Numbered
}

function withoutRepetitions<One extends { readonly n: number }>(all: readonly One[]): One[] {
  const seen = new Set<number>()
  return all.filter(({ n }) => !seen.has(n) && seen.add(n))
}

/** Compares the messages that arrived with the sent messages: each once, and each key in order. */
export function judge(
  sent: readonly Numbered[],
  arrived: ReadonlyArray<{ readonly n: number; readonly key: string }>,
): Verdict {
  const counts = new Map<number, number>()
  const last = new Map<string, number>()
  let inversions = 0
  for (const { n, key } of arrived) {
    counts.set(n, (counts.get(n) ?? 0) + 1)
    if (n < (last.get(key) ?? -1)) inversions++
    last.set(key, Math.max(n, last.get(key) ?? -1))
  }
  return {
    lost: sent.filter(({ n }) => !counts.has(n)).length,
    repeated: [...counts.values()].reduce((sum, count) => sum + count - 1, 0),
    inversions,
  }
}
