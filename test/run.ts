/**
 * `npm test`: prepares the machine, then runs the tests.
 *
 *     npm test -- <path or name>   only these tests, in the form of vitest
 *     npm test -- --all            runs the NATS suites also on the distribution's nats-server, as with CI=true
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { findMachine, type Machine } from './support/machine.ts'
import { addOutcomes, closingText, slowFilesText } from './support/outcome.ts'
import { runVitest } from './support/vitest-run.ts'

/** Tests that depend on the version of nats-server. */
const NATS_SUITES = ['test/integration', 'test/conformance', 'test/cli/events']

const ci = process.env.CI === 'true'
const args = process.argv.slice(2).filter((arg) => arg !== '--all')
const both = (ci || process.argv.includes('--all')) && args.length === 0

const machine = await prepare()
const env = { SPANWIRE_SKIP: machine.missing.join(','), NATS_SERVER: machine.natsServer.path }
// Tests that need Chromium are in this folder.
const excluded = machine.missing.includes('chromium') ? ['--exclude', 'test/browser/**'] : []
const folder = await mkdtemp(join(tmpdir(), 'spanwire-tests-'))
let outcome = await runVitest([...excluded, ...args], env, join(folder, 'first.json'))

const { distribution } = machine
if (both && distribution && distribution.version !== machine.natsServer.version) {
  console.log(`\nThe NATS suites again, on nats-server ${distribution.version}\n`)
  const again = await runVitest(
    [...excluded, ...NATS_SUITES],
    { ...env, NATS_SERVER: distribution.path, SPANWIRE_RUN: 'second' },
    join(folder, 'second.json'),
  )
  outcome = addOutcomes(outcome, again)
}
await rm(folder, { recursive: true, force: true })

if (machine.missing.length > 0) console.log(`\nSkipped, because this machine has no ${machine.missing.join(', no ')}.`)
if (args.length === 0) console.log(`\n${slowFilesText(outcome)}`)
console.log(`\n${closingText(outcome)}`)
process.exit(outcome.failures.length === 0 ? 0 : 1)

async function prepare(): Promise<Machine> {
  try {
    return await findMachine({ strict: ci, distribution: both, report: (line) => console.log(line) })
  } catch (error) {
    console.error(`\n${(error as Error).message}`)
    process.exit(1)
  }
}
