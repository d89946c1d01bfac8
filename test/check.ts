/**
 * `npm run check`: everything of .ci/run but the tests, two steps at a time, with the results of the last run.
 * Prints the output of the steps that failed.
 */
import { execFile } from 'node:child_process'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'

const run = promisify(execFile)
const root = join(import.meta.dirname, '..')
const cache = join(root, '.cache/check')

interface Step {
  readonly name: string
  /** Rejects with the output of the command that failed. */
  readonly work: () => Promise<unknown>
}

const command =
  (name: string, ...args: string[]) =>
  () =>
    run(join(root, 'node_modules/.bin', name), args, { cwd: root, maxBuffer: 64 * 1024 * 1024 })
const typeCheck = (name: string, ...args: string[]) =>
  command('tsc', ...args, '--incremental', '--tsBuildInfoFile', join(cache, `${name}.tsbuildinfo`))

/** The longest first, so that none of them runs alone at the end. */
const STEPS: readonly Step[] = [
  { name: 'types', work: typeCheck('all') },
  { name: 'package: build, publint, types (attw)', work: checkPackage },
  { name: 'rules of the repository', work: command('vitest', 'run', 'test/build') },
  { name: 'unused files, exports and dependencies (knip)', work: command('knip', '--no-progress') },
  { name: 'lint', work: command('biome', 'ci') },
  { name: 'types of the sdk, without any runtime', work: typeCheck('sdk', '-p', 'sdk', '--noEmit') },
]

const started = performance.now()
await mkdir(cache, { recursive: true })
const waiting = [...STEPS]
const failures: { name: string; output: string }[] = []
await Promise.all(Array.from({ length: Math.max(2, availableParallelism()) }, work))
for (const { name, output } of failures) console.log(`\n=== failed: ${name}\n${output}`)
const seconds = ((performance.now() - started) / 1_000).toFixed(1)
console.log(failures.length === 0 ? `All is well (${seconds} s).` : `\n${failures.length} failed (${seconds} s).`)
process.exitCode = failures.length === 0 ? 0 : 1

async function work(): Promise<void> {
  for (let step = waiting.shift(); step; step = waiting.shift()) {
    const begun = performance.now()
    const output = await step.work().then(() => undefined, outputOf)
    const verdict = output === undefined ? 'ok' : 'FAILED'
    console.log(`${verdict.padEnd(6)} ${((performance.now() - begun) / 1_000).toFixed(1).padStart(5)} s  ${step.name}`)
    if (output !== undefined) failures.push({ name: step.name, output })
  }
}

/** Packs once. `publint` and `attw` would each build and pack. */
async function checkPackage(): Promise<void> {
  const folder = join(cache, 'package')
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder)
  await run('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: root })
  const [tarball = ''] = await readdir(folder)
  await command('publint', 'run', join(folder, tarball), '--strict')()
  await command('attw', join(folder, tarball), '--profile', 'esm-only', '--format', 'ascii')()
}

function outputOf(error: { stdout?: string; stderr?: string; message: string }): string {
  return `${error.stdout ?? ''}${error.stderr ?? ''}`.trim() || error.message
}
