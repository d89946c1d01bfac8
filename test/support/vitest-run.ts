import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'

const root = join(import.meta.dirname, '../..')

/** What came of a run of tests. */
export interface Totals {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  /** False also when something failed that is not a test, such as a file that can't be loaded. */
  readonly ok: boolean
}

/** What is read of vitest's JSON report. */
interface Report {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly numTodoTests: number
  readonly testResults: readonly { readonly status: string; readonly assertionResults: readonly unknown[] }[]
}

/** Runs vitest once, its own output on the terminal. `file` is where its report goes. */
export async function runVitest(args: readonly string[], env: Record<string, string>, file: string): Promise<Totals> {
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  const options = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`]
  const child = spawn(process.execPath, [vitest, 'run', ...options, ...args], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  })
  const forward = () => child.kill('SIGTERM')
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, forward)
  const code = await new Promise<number>((resolve) => child.once('exit', (exit) => resolve(exit ?? 1)))
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, forward)
  const report: Report | undefined = await readFile(file, 'utf8').then(JSON.parse, () => undefined)
  if (!report) return { passed: 0, failed: 1, skipped: 0, ok: false }
  // A file that can't be loaded has no tests to count, yet it has failed.
  const broken = report.testResults.filter((one) => one.status === 'failed' && one.assertionResults.length === 0)
  const failed = report.numFailedTests + broken.length
  return {
    passed: report.numPassedTests,
    failed: failed === 0 && code !== 0 ? 1 : failed,
    skipped: report.numPendingTests + report.numTodoTests,
    ok: code === 0,
  }
}

/** The sum of two runs. */
export function addTotals(one: Totals, other: Totals): Totals {
  return {
    passed: one.passed + other.passed,
    failed: one.failed + other.failed,
    skipped: one.skipped + other.skipped,
    ok: one.ok && other.ok,
  }
}

/** Such as `512 passed, 0 failed, 3 skipped`. */
export function closingLine({ passed, failed, skipped }: Totals): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
}
