import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { ServeOptions } from '../../bridge/hosts/bridge-server.ts'

/** A JavaScript runtime. */
export type Runtime = 'bun' | 'deno' | 'node'

/** A bridge in a separate process. */
export interface HostProcess {
  /** Such as `http://127.0.0.1:41234`. */
  readonly url: string
  readonly pid: number
  /** Its output to stdout and stderr so far. */
  readonly output: string
  /** Ends the process like a crash, by SIGKILL. */
  kill(): void
  /** Closes the bridge. Resolves with the exit code of the process. */
  stop(): Promise<number | null>
  /** Drains the bridge. Resolves with the exit code of the process. */
  drain(): Promise<number | null>
}

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Runs a TypeScript module of this repository. Its path starts at the root. */
export function runOn(runtime: Runtime, module: string, args: readonly string[]): ChildProcess {
  const flags = runtime === 'deno' ? ['run', '--allow-all'] : []
  return spawn(`${root}node_modules/.bin/${runtime}`, [...flags, `${root}${module}`, ...args], { cwd: root })
}

/**
 * Starts test/runtimes/host.ts and waits until it listens and its upstream is open.
 * @param contract path of a module that exports `auditedContract`: options that JSON can't hold
 */
export async function startHost(runtime: Runtime, options: ServeOptions, contract?: string): Promise<HostProcess> {
  const child = runOn(runtime, 'test/runtimes/host.ts', [JSON.stringify(options), ...(contract ? [contract] : [])])
  let output = ''
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const url = await new Promise<string>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      output += chunk
      const [, listening] = /listening on (\S+) /.exec(output) ?? []
      if (listening) resolve(listening)
    }
    child.stdout?.on('data', read)
    child.stderr?.on('data', read)
    child.once('error', reject)
    exited.then((code) => reject(new Error(`${runtime} ended with ${code}:\n${output}`)))
  })
  return {
    url,
    pid: child.pid ?? 0,
    get output() {
      return output
    },
    kill: () => void child.kill('SIGKILL'),
    drain() {
      child.stdin?.write('drain\n')
      return exited
    },
    stop() {
      child.stdin?.end()
      const late = setTimeout(() => child.kill('SIGKILL'), 5_000)
      return exited.finally(() => clearTimeout(late))
    },
  }
}
