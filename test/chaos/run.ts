/** `node test/chaos/run.ts [--seconds 60] [--seed N] [--host workerd]`. The exit code is 1 if an event was lost. */
import { parseArgs } from 'node:util'
import { seed as ownSeed } from '../support/seed.ts'
import { runChaos } from './chaos.ts'

const { values } = parseArgs({
  options: { seconds: { type: 'string' }, seed: { type: 'string' }, host: { type: 'string' } },
})
const seed = Number(values.seed ?? ownSeed)
console.log(`seed ${seed}`)
const report = await runChaos({
  seed,
  seconds: Number(values.seconds ?? 60),
  host: values.host === 'workerd' ? 'workerd' : 'node',
})
console.dir(report, { depth: null })
const { lost, duplicated, unexpected, disordered, notStoredOnce } = report
process.exit(lost + duplicated + unexpected + disordered + notStoredOnce === 0 ? 0 : 1)
