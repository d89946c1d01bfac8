/** Prints the tables of bridge/SCALE.md: `node test/bench/scale/run.ts [--seed 1]`. */
import process from 'node:process'
import { parseArgs } from 'node:util'
import { createTables, SEED } from './tables.ts'

const { values } = parseArgs({ options: { seed: { type: 'string', default: `${SEED}` } } })
for (const { title, text } of createTables(Number(values.seed))) console.log(`\n### ${title}\n\n${text}`)
process.exit(0)
