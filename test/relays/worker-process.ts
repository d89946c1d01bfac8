import { eventually } from '../support/eventually.ts'
import { runOn } from '../support/process-host.ts'
import type { WorkerOptions } from './relay-worker.ts'

/** A relay in a process of its own. */
export interface RelayWorker {
  readonly output: string
  /** Ends it with SIGKILL. */
  kill(): Promise<void>
  /** Freezes it: its connections stay, and it does nothing. */
  freeze(): void
  thaw(): void
  /** Sends SIGTERM, and resolves with its exit code. */
  stop(): Promise<number | null>
}

export function startWorker(options: WorkerOptions): RelayWorker {
  const child = runOn('node', 'test/relays/relay-worker.ts', [JSON.stringify(options)])
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk) => {
      output = (output + chunk).slice(-20_000)
      if (process.env.RELAY_VERBOSE) process.stderr.write(chunk)
    })
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const atExit = () => child.kill('SIGKILL')
  process.once('exit', atExit)
  void exited.then(() => process.off('exit', atExit))
  return {
    get output() {
      return output
    },
    async kill() {
      child.kill('SIGCONT')
      child.kill('SIGKILL')
      await exited
    },
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    async stop() {
      child.kill('SIGTERM')
      const late = setTimeout(() => child.kill('SIGKILL'), 20_000)
      const code = await exited
      clearTimeout(late)
      return code
    },
  }
}

/** Resolves when the worker's relays are open. */
export async function whenReady(worker: RelayWorker): Promise<void> {
  await eventually(() => worker.output.includes('ready '), { deadline: 60_000, what: 'the relay to be ready' })
}
