import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import process from 'node:process'
import { expect, it } from 'vitest'
import { descendants } from '../support/descendants.ts'
import { eventually } from '../support/eventually.ts'

it('npm run dev checks types and runs the named tests, and stops every process', async () => {
  const root = join(import.meta.dirname, '../..')
  const script = join(root, 'demo/setup/run.mjs')
  const child = spawn(process.execPath, [script, 'test/dev.ts', 'test/unit/demo/publishers/timetable'], {
    cwd: root,
    env: { ...process.env, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
  let pids: number[] = []
  try {
    const isReady = () => /^tsc .* Found \d+ errors?/m.test(output) && /Tests +\d+ passed/.test(output)
    await eventually(isReady, { deadline: 90_000, what: 'types and tests' }).catch((cause) => {
      throw new Error(output, { cause })
    })
    expect(output).toContain('nats-server')
    pids = await descendants(child.pid ?? 0)
    expect(pids.length).toBeGreaterThan(2)
  } finally {
    child.kill('SIGTERM')
    await once(child, 'exit')
  }
  await eventually(() => !pids.some(runs), { what: `the end of ${pids.filter(runs)}` })
}, 120_000)

function runs(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
