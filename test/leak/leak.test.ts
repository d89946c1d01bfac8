import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const run = promisify(execFile)

it('memory returns to its start after 20 rounds of 1,000 clients', async () => {
  const { stdout } = await run(process.execPath, ['--expose-gc', join(import.meta.dirname, 'rounds.ts')])
  const { heaps, left } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as { heaps: number[]; left: object }
  expect(left).toMatchObject({ connections: 0, subscriptions: 0 })
  const average = (of: number[]) => of.reduce((sum, heap) => sum + heap, 0) / of.length
  // Code is compiled and discarded in the first rounds.
  const [before, after] = [average(heaps.slice(9, 12)), average(heaps.slice(-3))]
  console.log(`heap in MB: ${heaps.map((heap) => (heap / 1e6).toFixed(1)).join(' ')}`)
  expect(after / before).toBeLessThan(1.05)
}, 120_000)
