/**
 *     node test/chaos/run.ts [--seconds 60] [--seed N] [--host workerd]
 *     node test/chaos/run.ts --cluster [--seconds 60] [--seed N] [--clients 400] [--processes 2] [--hosts node,bun,deno]
 *     node test/chaos/run.ts --leader 15
 *
 * The exit code is 1 if a streamed event was lost, repeated or unordered. `--leader` kills the leader of a stream that many
 * times, and measures how long nats-server and each part of Spanwire need.
 */
import process from 'node:process'
import { parseArgs } from 'node:util'
import type { Runtime } from '../support/process-host.ts'
import { seed as ownSeed } from '../support/seed.ts'
import { runChaos } from './chaos.ts'
import { runCluster } from './cluster-chaos.ts'
import { toTable } from './cluster-report.ts'
import { measureLeaderLoss, toLeaderTable } from './leader-loss.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string' },
    host: { type: 'string' },
    cluster: { type: 'boolean' },
    leader: { type: 'string' },
    clients: { type: 'string', default: '400' },
    processes: { type: 'string', default: '2' },
    hosts: { type: 'string', default: 'node' },
  },
})
const seed = Number(values.seed ?? ownSeed)
const seconds = Number(values.seconds)
console.log(`seed ${seed}`)

async function cluster(): Promise<boolean> {
  const report = await runCluster({
    seed,
    seconds,
    clients: Number(values.clients),
    processes: Number(values.processes),
    runtimes: values.hosts.split(',') as Runtime[],
    onFault: ({ kind, settled }) =>
      console.log(`${(performance.now() / 1_000).toFixed(0)} s: ${kind}, ${settled.toFixed(0)} ms`),
  })
  const { rows: _, ...totals } = report
  console.dir(totals, { depth: null })
  console.log(toTable(report))
  const { lost, doubled, disordered } = report.streamed
  return lost + doubled + disordered + report.notStoredOnce + report.conflicts === 0 && report.exact === report.members
}

async function leader(times: number): Promise<boolean> {
  console.log(toLeaderTable(await measureLeaderLoss(times)))
  return true
}

async function single(): Promise<boolean> {
  const report = await runChaos({ seed, seconds, host: values.host === 'workerd' ? 'workerd' : 'node' })
  console.dir(report, { depth: null })
  const { lost, duplicated, unexpected, disordered, notStoredOnce } = report
  return lost + duplicated + unexpected + disordered + notStoredOnce === 0
}

const run = values.cluster ? cluster : values.leader === undefined ? single : () => leader(Number(values.leader))
process.exit((await run()) ? 0 : 1)
