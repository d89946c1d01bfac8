import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempDisposable, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import * as z from 'zod'
import { connect, defineEvents } from '../../sdk/index.ts'
import { ensureStreams } from '../../sdk/streams/index.ts'
import { nats } from '../../sdk/transport/nats/index.ts'
import { eventually } from '../support/eventually.ts'
import type { NatsServer } from '../support/nats-server.ts'
import { runOn } from '../support/process-host.ts'
import { createRandom } from '../support/seed.ts'
import { type Findings, judge, parseLog } from './partition-log.ts'

export interface PartitionChaosOptions {
  readonly seed: number
  readonly seconds: number
}

export interface PartitionChaosReport extends Findings {
  readonly published: number
  /** Number of processes that were killed, drained and started. */
  readonly killed: number
  readonly drained: number
  readonly started: number
}

const events = defineEvents({ 'jobs.{id}': z.object({ n: z.number() }) }, { stream: 'JOBS' })
const PROCESSES = 6
const LEAST = 3
const KEYS = 1_000
/** Number of processes that are killed, and that are drained, at least. */
const LEAST_FAULTS = 3
const PARTITIONS = 16
/** Events of a burst, and the time between two bursts in ms. */
const BURST = 8
const INTERVAL = 20

/**
 * Publishes numbered events of 1,000 keys. Meanwhile up to six processes handle them, and are killed, drained and started
 * in an order that the seed determines.
 */
export async function runPartitionChaos(
  server: NatsServer,
  { seed, seconds }: PartitionChaosOptions,
): Promise<PartitionChaosReport> {
  const random = createRandom(seed)
  await using folder = await mkdtempDisposable(join(tmpdir(), 'spanwire-partitions-'))
  const log = join(folder.path, 'log')
  await writeFile(log, '')
  const transport = nats({ url: server.url })
  await ensureStreams(events, transport, { defaults: { storage: 'memory' } })
  const bus = connect({ events, transport })
  const workers: ChildProcess[] = []
  const killed = new Map<number, number>()
  const exits: Array<Promise<unknown>> = []
  const counts = { drained: 0, started: 0 }
  const start = async () => {
    counts.started++
    const worker = runOn('node', 'test/support/queue-worker.ts', [server.url, log, 'id', String(PARTITIONS)])
    worker.stderr?.pipe(process.stderr)
    workers.push(worker)
    if (worker.stdout) await once(worker.stdout, 'data')
  }
  const drain = (worker: ChildProcess) => {
    counts.drained++
    worker.kill('SIGTERM')
    exits.push(once(worker, 'exit'))
  }
  const change = async () => {
    const victim = workers.splice(Math.floor(random() * workers.length), workers.length > LEAST ? 1 : 0)[0]
    if (victim && random() < 0.5) {
      killed.set(victim.pid ?? 0, Date.now())
      victim.kill('SIGKILL')
    } else if (victim) drain(victim)
    while (workers.length < LEAST || (workers.length < PROCESSES && random() < 0.6)) await start()
  }
  await Promise.all(Array.from({ length: PROCESSES - 1 }, start))

  const published = new Map<string, number>()
  const end = performance.now() + seconds * 1_000
  // A busy machine starts processes slowly.
  const isOver = () => performance.now() > end && killed.size >= LEAST_FAULTS && counts.drained >= LEAST_FAULTS
  const publishing = (async () => {
    while (!isOver()) {
      const burst = Array.from({ length: BURST }, () => String(Math.floor(random() * KEYS)))
      await Promise.all(
        burst.map((id) => {
          const n = (published.get(id) ?? 0) + 1
          published.set(id, n)
          return bus.publish('jobs.{id}', { id }, { n })
        }),
      )
      await pause(INTERVAL)
    }
  })()
  while (!isOver()) {
    await pause(300 + random() * 900)
    await change()
  }
  await publishing
  const total = [...published.values()].reduce((sum, count) => sum + count, 0)
  const read = async () => parseLog(await readFile(log, 'utf8'))
  const isDone = async () =>
    new Set((await read()).filter(({ word }) => word === 'done').map(({ id, n }) => `${id} ${n}`)).size >= total
  // A report of lost events is more useful than a timeout.
  await eventually(isDone, { deadline: 60_000, interval: 200 }).catch(() => {})
  for (const worker of workers) drain(worker)
  await Promise.all(exits)
  await bus.close()
  const findings = judge(await read(), { published, killed, partitions: PARTITIONS })
  return { published: total, killed: killed.size, ...counts, ...findings }
}
