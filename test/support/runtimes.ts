import process from 'node:process'
import type { BrokerKind } from '../../demo/setup/brokers/foreign-broker.ts'

/** Runtimes and brokers of the tests, in addition to Node. */
export type Runtime = 'chromium' | 'firefox' | 'deno' | 'bun' | 'nginx' | 'go' | 'python' | BrokerKind

/**
 * Whether `npm test` did not find a runtime on this machine: `describe.skipIf(isSkipped('deno'))`.
 * Always false with CI=true, where a missing runtime is a failure.
 */
export function isSkipped(runtime: Runtime | 'node'): boolean {
  return (process.env.SPANWIRE_SKIP ?? '').split(',').includes(runtime)
}
