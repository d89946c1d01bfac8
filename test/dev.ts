/**
 * `npm run dev`: prepares the machine as `npm test` does, then checks types and runs tests whenever a file changes.
 *
 *     npm run dev                    tests of the files that changed since the last commit
 *     npm run dev -- <path or name>  only these tests, in the form of vitest
 */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { findMachine } from './support/machine.ts'

const root = join(import.meta.dirname, '..')
const args = process.argv.slice(2)

const { natsServer, missing } = await findMachine({ strict: false, distribution: false, report: console.log })
const env = { ...process.env, SPANWIRE_SKIP: missing.join(','), NATS_SERVER: natsServer.path }

const types = start('typescript/bin/tsc', ['--watch', '--preserveWatchOutput'], 'pipe')
if (types.stdout) createInterface(types.stdout).on('line', (line) => line && console.log(`tsc  ${line}`))
const tests = start('vitest/vitest.mjs', ['watch', ...(args.length > 0 ? args : ['--changed'])], 'inherit')

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => tests.kill('SIGTERM'))
tests.on('exit', (code) => {
  types.kill('SIGTERM')
  process.exit(code ?? 0)
})

function start(script: string, args: readonly string[], output: 'inherit' | 'pipe') {
  return spawn(process.execPath, [join(root, 'node_modules', script), ...args], {
    cwd: root,
    env,
    stdio: ['inherit', output, 'inherit'],
  })
}
