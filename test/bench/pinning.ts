import { execFileSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import process from 'node:process'

/** Servers run on the first core, and load on the others. */
const SERVERS = '0'
const LOAD = `1-${availableParallelism() - 1}`

/** Whether servers and load have cores of their own. Otherwise they take turns on all cores. */
export const isPinned: boolean = availableParallelism() > 1 && pin(LOAD)

/** Starts a system on the core of the servers. The load continues on the others. */
export async function onServerCore<T>(start: () => Promise<T>): Promise<T> {
  if (!isPinned) return start()
  pin(SERVERS)
  try {
    return await start()
  } finally {
    pin(LOAD)
  }
}

/** Pins all threads of this process, and with them processes that it starts. Returns false without `taskset` (Linux). */
function pin(cores: string): boolean {
  try {
    execFileSync('taskset', ['-acp', cores, String(process.pid)], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
