import process from 'node:process'

/** What tests run on, beside Node. */
export type Runtime = 'chromium' | 'firefox' | 'deno' | 'bun' | 'nginx'

/**
 * Whether `npm test` found no such runtime on this machine, so that its tests are skipped: `describe.skipIf(isSkipped('deno'))`.
 * Never with CI=true, where a missing runtime is a failure.
 */
export function isSkipped(runtime: Runtime | 'node'): boolean {
  return (process.env.SPANWIRE_SKIP ?? '').split(',').includes(runtime)
}
