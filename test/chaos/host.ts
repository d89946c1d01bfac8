import type { ChildProcess } from 'node:child_process'
import { freePort } from '../../demo/setup/free-port.ts'
import { runOn } from '../support/process-host.ts'
import { SECRET } from '../support/token.ts'
import { startWorker } from '../support/workerd.ts'

/** A bridge that can lose its memory at any time without closing connections. */
export interface ChaosHost {
  readonly port: number
  restart(): Promise<void>
  stop(): Promise<void>
}

/** A bridge on Node in a separate process. SIGKILL ends all of its sockets. */
export async function startNodeHost(upstream: string): Promise<ChaosHost> {
  const port = await freePort()
  const options = JSON.stringify({ port, upstream, auth: { secret: SECRET } })
  let child: ChildProcess | undefined
  const start = async () => {
    const started = runOn('node', 'test/runtimes/host.ts', [options])
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
  }
  const stop = async () => {
    const dying = child
    if (!dying || dying.exitCode !== null || dying.signalCode !== null) return
    const ended = new Promise((resolve) => dying.once('exit', resolve))
    dying.kill('SIGKILL')
    await ended
  }
  await start()
  return {
    port,
    async restart() {
      await stop()
      await start()
    },
    stop,
  }
}

/** A bridge in workerd. Eviction of the Durable Object clears its memory and keeps the sockets. */
export async function startWorkerHost(upstream: string): Promise<ChaosHost> {
  const worker = await startWorker({ secret: SECRET, upstream, main: 'test/workerd/evictable.ts' })
  return {
    port: Number(new URL(worker.url).port),
    async restart() {
      await fetch(`${worker.url}/test/hub-1/let-go`, { method: 'POST' })
      await worker.evict()
    },
    stop: () => worker.stop(),
  }
}
