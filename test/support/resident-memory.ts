import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)
const MIB = 1024 * 1024

/** Resident memory of a process, seen from outside, in MiB. */
export async function residentMemory(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'latin1').catch(() => undefined)
  const kib = status ? /^VmRSS:\s+(\d+)/m.exec(status)?.[1] : (await run('ps', ['-o', 'rss=', '-p', `${pid}`])).stdout
  return (Number(kib) * 1024) / MIB
}

/** How much more memory a process took at most while `attack` ran, than before it, in MiB. */
export async function growthDuring(pid: number, attack: () => Promise<void>): Promise<number> {
  const before = await residentMemory(pid)
  let most = before
  let isOver = false
  const watching = (async () => {
    while (!isOver) {
      most = Math.max(most, await residentMemory(pid))
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  })()
  try {
    await attack()
  } finally {
    isOver = true
    await watching
  }
  return Math.max(most, await residentMemory(pid)) - before
}
