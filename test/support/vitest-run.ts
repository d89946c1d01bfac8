import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import type { Outcome } from './outcome.ts'

const root = join(import.meta.dirname, '../..')

/** Runs vitest once, with its output on the terminal. @param file path for the outcome */
export async function runVitest(args: readonly string[], env: Record<string, string>, file: string): Promise<Outcome> {
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  const reporters = ['default', join(import.meta.dirname, 'outcome-reporter.ts')]
  const child = spawn(process.execPath, [vitest, 'run', ...reporters.map((one) => `--reporter=${one}`), ...args], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...env, SPANWIRE_OUTCOME: file },
  })
  const forward = () => child.kill('SIGTERM')
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, forward)
  const code = await new Promise<number>((resolve) => child.once('exit', (exit) => resolve(exit ?? 1)))
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, forward)
  const none: Outcome = { passed: 0, skipped: 0, failures: [], durations: {} }
  const outcome: Outcome = await readFile(file, 'utf8').then(JSON.parse, () => none)
  if ((code === 0 && outcome !== none) || outcome.failures.length > 0) return outcome
  return { ...outcome, failures: [{ where: 'vitest', text: `It ended with exit code ${code}. See above.` }] }
}
