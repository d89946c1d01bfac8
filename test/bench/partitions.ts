/**
 * Throughput of a work queue with 16 partitions by the number of processes: `node test/bench/partitions.ts`. Each process
 * runs 4 handlers of 100 ms at a time. Figures are medians of three interleaved runs. With more processes than cores, the
 * processes also share the cores.
 */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempDisposable, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as z from 'zod'
import { setPartitions } from '../../sdk/consumer/index.ts'
import { connect, defineEvents } from '../../sdk/index.ts'
import { ensureStreams } from '../../sdk/streams/index.ts'
import { nats } from '../../sdk/transport/nats/index.ts'
import { eventually } from '../support/eventually.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { runOn } from '../support/process-host.ts'
import { median } from './median.ts'

const EVENTS = 400
/** Duration of a handler, in ms. */
const HANDLER = 100
const KEYS = 1_000
const RUNS = 3
const PARTITIONS = 16
/** In ms. */
const ACK_WAIT = 30_000

const events = defineEvents({ 'jobs.{id}': z.object({ n: z.number() }) }, { stream: 'JOBS' })

/** Returns the number of events per second that `count` processes handle. */
async function measure(count: number): Promise<number> {
  await using server = await startNatsServer({ jetstream: true })
  await using folder = await mkdtempDisposable(join(tmpdir(), 'spanwire-bench-'))
  const log = join(folder.path, 'log')
  await writeFile(log, '')
  const transport = nats({ url: server.url })
  await ensureStreams(events, transport, { defaults: { storage: 'memory' } })
  await setPartitions({ events, connection: transport }, 'jobs.{id}', {
    consumer: 'workers',
    ordered: 'id',
    partitions: PARTITIONS,
    ackWait: ACK_WAIT,
  })
  const bus = connect({ events, transport })
  const workers: ChildProcess[] = []
  for (let i = 0; i < count; i++) {
    const options = ['id', PARTITIONS, HANDLER, ACK_WAIT].map(String)
    const worker = runOn('node', 'test/support/queue-worker.ts', [server.url, log, ...options])
    workers.push(worker)
    if (worker.stdout) await once(worker.stdout, 'data')
  }
  // Time for the processes to divide the partitions.
  await new Promise((resolve) => setTimeout(resolve, 2_000))
  for (let n = 0; n < EVENTS; n++) void bus.publish('jobs.{id}', { id: String(n % KEYS) }, { n })
  const done = async () => (await readFile(log, 'utf8')).split('\n').filter((line) => line.startsWith('done'))
  await eventually(async () => (await done()).length >= EVENTS, { deadline: 120_000, interval: 500 })
  const times = (await done()).map((line) => Number(line.split(' ')[4])).sort((a, b) => a - b)
  for (const worker of workers) worker.kill('SIGTERM')
  await Promise.all(workers.map((worker) => once(worker, 'exit')))
  await bus.close()
  // The first and last tenth are not steady.
  const [first = 0, last = 0] = [times[EVENTS / 10], times[(EVENTS * 9) / 10]]
  return (EVENTS * 0.8 * 1_000) / (last - first)
}

const rates = new Map<number, number[]>([1, 2, 4].map((count) => [count, []]))
for (let run = 0; run < RUNS; run++) for (const [count, all] of rates) all.push(await measure(count))
const base = median(rates.get(1) ?? [])
console.table(
  Object.fromEntries(
    [...rates].map(([count, all]) => [
      `${count} ${count === 1 ? 'process' : 'processes'}`,
      { 'events per second': Math.round(median(all)), ratio: +(median(all) / base).toFixed(2) },
    ]),
  ),
)
