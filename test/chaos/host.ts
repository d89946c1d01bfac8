import type { ChildProcess } from 'node:child_process'
import { runOn } from '../support/process-host.ts'

/** A bridge in a process of its own that can be killed and started again on the same port. */
export interface ChaosHost {
  start(): Promise<void>
  /** By SIGKILL: it says goodbye to nobody. */
  kill(): Promise<void>
}

export function createHost(options: object): ChaosHost {
  let child: ChildProcess | undefined
  return {
    async start() {
      const started = runOn('node', 'test/runtimes/host.ts', [JSON.stringify(options)])
      child = started
      let output = ''
      await new Promise<void>((resolve, reject) => {
        const read = (chunk: Buffer) => {
          output += chunk
          if (/listening on/.test(output)) resolve()
        }
        started.stdout?.on('data', read)
        started.stderr?.on('data', read)
        started.once('exit', (code) => reject(new Error(`The bridge ended with ${code}:\n${output}`)))
      })
    },
    async kill() {
      const dying = child
      if (!dying || dying.exitCode !== null || dying.signalCode !== null) return
      const ended = new Promise((resolve) => dying.once('exit', resolve))
      dying.kill('SIGKILL')
      await ended
    },
  }
}
