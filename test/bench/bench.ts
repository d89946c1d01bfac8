/**
 * `npm run bench`: costs of a delivery, compared with other systems in the same run.
 *
 *     npm run bench -- --runs 3 --only saturated,paced --systems "nats-server,Spanwire on Node"
 *
 * Every round runs each system once, so that noise of the machine affects all of them. Figures are medians over the rounds,
 * with ratios to nats-server in the same round. `all processes` counts NATS behind a bridge, `alone` does not.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { findNatsServer } from '../../demo/setup/nats-server.ts'
import { root } from '../build/source-files.ts'
import { benchConnects } from './connects.ts'
import { benchFlood } from './flood.ts'
import { median } from './median.ts'
import { isPinned, onServerCore } from './pinning.ts'
import { benchProcesses } from './processes.ts'
import { benchRelays } from './relays.ts'
import { benchReturns } from './returns.ts'
import { GROWING, SYSTEMS } from './systems.ts'
import { type Figures, GROWTH, WORKLOADS, type Workload } from './workloads.ts'

const { values } = parseArgs({
  options: { runs: { type: 'string' }, only: { type: 'string' }, systems: { type: 'string' } },
})
const runs = Number(values.runs ?? 3)
/** Parts with rows of their own. */
const PARTS: Record<string, () => Promise<void>> = {
  flood: () => benchFlood(runs),
  relays: () => benchRelays(runs),
  connects: () => benchConnects(runs),
  returns: () => benchReturns(),
  processes: () => benchProcesses(runs),
}
const all: Record<string, Workload> = { ...WORKLOADS, ...GROWTH }
const workloads = values.only?.split(',').filter((name) => !(name in PARTS)) ?? Object.keys(all)
const systems = values.systems?.split(',').map((name) => name.trim()) ?? Object.keys(SYSTEMS)
const REFERENCE = 'nats-server'

const [cpu] = cpus()
const nats = await findNatsServer()
console.log(
  `npm run bench${process.argv.length > 2 ? ` -- ${process.argv.slice(2).join(' ')}` : ''}\n` +
    `${new Date().toISOString().slice(0, 10)}, ${cpu?.model.trim()}, ${cpus().length} cores, Node ${process.versions.node}, ` +
    `nats-server ${nats?.version}. ${isPinned ? 'Servers run on core 0, load on the others.' : 'Servers and load share all cores.'}\n`,
)

const results: Record<string, Record<string, Figures[]>> = {}
for (const name of workloads) {
  const workload = all[name]
  if (!workload) throw new Error(`Unknown workload ${name}. Use one of: ${Object.keys(all).join(', ')}.`)
  const row: Record<string, Figures[]> = {}
  const counted: Record<string, string> = {}
  results[name] = row
  // Growth is a property of a system, and takes long with slow ones.
  const taking = name in GROWTH && !values.systems ? systems.filter((system) => GROWING.includes(system)) : systems
  for (let run = 1; run <= runs; run++)
    for (const system of taking) {
      const start = SYSTEMS[system]
      if (!start) throw new Error(`Unknown system ${system}. Use one of: ${Object.keys(SYSTEMS).join(', ')}.`)
      await using server = await onServerCore(start)
      counted[system] = server.brokers ? 'bridge, nats-server' : 'the server'
      const figures = await workload.run(server)
      row[system] = [...(row[system] ?? []), figures]
      const { cost, p50, p99, connects, wrong } = figures
      const rate = connects === undefined ? '' : `  ${connects.toFixed(0)} connects a second`
      const latency = p99 === undefined ? rate : `  p50 ${p50?.toFixed(1)} ms  p99 ${p99.toFixed(1)} ms`
      console.log(
        `${name} ${run}/${runs}  ${system.padEnd(34)} ${cost.toFixed(2)} ${workload.unit}${latency}${wrong > 0 ? `  ${wrong} WRONG` : ''}`,
      )
    }
  console.log(
    `\n${name}: ${workload.title}. ${workload.unit}, median of ${runs}, and ratio to ${REFERENCE} in the same round`,
  )
  console.table(Object.fromEntries(taking.map((system) => [system, describe(row, system, counted[system])])))
}
const KINDS = { subscribers: /^grow-\d/, subjects: /^grow-subjects/ }
for (const [kind, names] of Object.entries(KINDS))
  for (const system of systems) {
    const rows = Object.entries(results).flatMap(([name, row]) => (names.test(name) ? [row[system] ?? []] : []))
    const costs = rows.filter(({ length }) => length > 0).map((row) => median(row.map(({ cost }) => cost)))
    if (costs.length > 1)
      console.log(
        `${system}: highest by lowest cost, by ${kind}: ${(Math.max(...costs) / Math.min(...costs)).toFixed(2)}`,
      )
  }

await mkdir(join(root, '.cache'), { recursive: true })
await writeFile(
  join(root, '.cache/bench.json'),
  JSON.stringify({ at: new Date(), node: process.version, results }, null, 2),
)
const only = values.only?.split(',')
for (const [name, part] of Object.entries(PARTS)) if (!only || only.includes(name)) await part()
process.exit(0)

/** A row of the table of one workload: all processes of the system, and the bridge without NATS. */
function describe(row: Readonly<Record<string, Figures[]>>, system: string, counted = ''): Record<string, unknown> {
  const mine = row[system] ?? []
  const reference = row[REFERENCE] ?? []
  const column = (of: (figures: Figures) => number) => {
    const ratio = median(mine.map((figures, i) => of(figures) / (reference[i]?.cost ?? Number.NaN)))
    const absolute = median(mine.map(of))
    return `${absolute.toFixed(2)}${Number.isNaN(ratio) ? '' : ` (${ratio.toFixed(2)})`}`
  }
  return {
    'all processes': column(({ cost }) => cost),
    alone: column(({ alone }) => alone),
    counted,
    lost: mine.reduce((sum, { wrong }) => sum + wrong, 0),
  }
}
