/**
 * `npm run bench`: costs of a delivery, compared with other systems in the same run.
 *
 *     npm run bench -- --runs 3 --only saturated,paced --systems "nats-server,Spanwire on Node"
 *
 * Every round runs each system once, so that noise of the machine affects all of them. Figures are ratios to nats-server
 * in the same round, and medians over the rounds.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { root } from '../build/source-files.ts'
import { benchConnects } from './connects.ts'
import { benchFlood } from './flood.ts'
import { median } from './median.ts'
import { benchProcesses } from './processes.ts'
import { benchRelays } from './relays.ts'
import { benchReturns } from './returns.ts'
import { SYSTEMS } from './systems.ts'
import { type Figures, GROWTH, WORKLOADS } from './workloads.ts'

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
const workloads = values.only?.split(',').filter((name) => !(name in PARTS)) ?? Object.keys(WORKLOADS)
const systems = values.systems?.split(',').map((name) => name.trim()) ?? Object.keys(SYSTEMS)
const REFERENCE = 'nats-server'

type Row = Record<string, Figures[]>
const results: Record<string, Row> = {}

for (const name of workloads) {
  const all = { ...WORKLOADS, ...GROWTH }
  const workload = all[name]
  if (!workload) throw new Error(`Unknown workload ${name}. Use one of: ${Object.keys(all).join(', ')}.`)
  const row: Row = {}
  results[name] = row
  for (let run = 1; run <= runs; run++) {
    for (const system of systems) {
      const start = SYSTEMS[system]
      if (!start) throw new Error(`Unknown system ${system}. Use one of: ${Object.keys(SYSTEMS).join(', ')}.`)
      await using server = await start()
      const figures = await workload.run(server)
      row[system] = [...(row[system] ?? []), figures]
      const { cost, p50, p99, connects, wrong } = figures
      const rate = connects === undefined ? '' : `  ${connects.toFixed(0)} connects a second`
      const latency = p99 === undefined ? rate : `  p50 ${p50?.toFixed(1)} ms  p99 ${p99.toFixed(1)} ms`
      console.log(
        `${name} ${run}/${runs}  ${system.padEnd(34)} ${cost.toFixed(2)} ${workload.unit}${latency}${wrong > 0 ? `  ${wrong} WRONG` : ''}`,
      )
    }
  }
}

const table: Record<string, Record<string, string>> = {}
for (const system of systems) {
  table[system] = {}
  for (const [name, row] of Object.entries(results)) {
    const mine = row[system] ?? []
    const reference = row[REFERENCE] ?? []
    const ratio = median(mine.map(({ cost }, i) => cost / (reference[i]?.cost ?? Number.NaN)))
    const isWrong = mine.some(({ wrong }) => wrong > 0)
    const absolute = median(mine.map(({ cost }) => cost)).toFixed(name === 'idle' ? 0 : 2)
    table[system][name] = `${Number.isNaN(ratio) ? '' : `${ratio.toFixed(2)} `}(${absolute})${isWrong ? ' lossy' : ''}`
  }
}
console.log(
  `\nRatio to ${REFERENCE} in the same round, median of ${runs}; in parentheses µs of CPU per delivery, idle: KiB`,
)
console.table(table)
await mkdir(join(root, '.cache'), { recursive: true })
await writeFile(
  join(root, '.cache/bench.json'),
  JSON.stringify({ at: new Date(), node: process.version, results }, null, 2),
)
const only = values.only?.split(',')
for (const [name, part] of Object.entries(PARTS)) if (!only || only.includes(name)) await part()
process.exit(0)
