import { type ChildProcess, spawn } from 'node:child_process'

/** A process of the demo, including its child processes. */
export interface Child {
  readonly name: string
  /** Rejects when the process ends without a call of `stop`. Never resolves. */
  readonly failure: Promise<never>
  /** The last lines of its output. */
  log(): string
  /** Ends the process with SIGKILL, like a crash: `failure` rejects. Without effect after its end. */
  kill(): void
  /** Stops the process and its child processes. Idempotent. */
  stop(): Promise<void>
}

export interface ChildOptions {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
  /** Time after SIGTERM until the process is killed, in ms. */
  readonly grace?: number
}

const LOG_SIZE = 8_192
const LOG_LINES = 15

/** Starts a process in a separate group, so that Ctrl-C in a terminal does not stop it out of order. */
export function startChild({ name, command, args, env, cwd, grace = 4_000 }: ChildOptions): Child {
  const child = spawn(command, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'], env, cwd })
  let log = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      log = (log + chunk).slice(-LOG_SIZE)
    })
  }
  const lastLines = () => log.trimEnd().split('\n').slice(-LOG_LINES).join('\n')
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => resolve())
    child.once('error', () => resolve())
  })
  let stopping: Promise<void> | undefined
  const failure = new Promise<never>((_, reject) => {
    child.once('error', (error) => reject(new Error(`${name} didn't start: ${error.message}`)))
    child.once('close', (code, signal) => {
      if (!stopping) reject(new Error(`${name} ended unexpectedly (${signal ?? `code ${code}`}):\n${lastLines()}`))
    })
  })
  failure.catch(() => {})
  const killNow = () => killGroup(child, 'SIGKILL')
  process.once('exit', killNow)

  return {
    name,
    failure,
    log: lastLines,
    kill() {
      // Its id may belong to another process after its end.
      if (child.exitCode === null && child.signalCode === null) killNow()
    },
    stop() {
      stopping ??= (async () => {
        killGroup(child, 'SIGTERM')
        const timer = setTimeout(killNow, grace)
        await ended
        clearTimeout(timer)
        // Child processes that the process left running.
        killNow()
        process.off('exit', killNow)
      })()
      return stopping
    },
  }
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch {
    // The whole group has ended.
  }
}
