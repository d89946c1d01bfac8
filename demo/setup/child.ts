import { type ChildProcess, spawn } from 'node:child_process'

/** A process of the demo, and the processes that it starts itself. */
export interface Child {
  readonly name: string
  /** Rejects with a plain message when the process ends, unless it was stopped. Never resolves. */
  readonly failure: Promise<never>
  /** The end of what it wrote. */
  log(): string
  /** Ends it with everything that it started. Idempotent. */
  stop(): Promise<void>
}

export interface ChildOptions {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
  /** How long it may take to end when asked to, in ms; then it is killed. */
  readonly grace?: number
}

const LOG_SIZE = 8_192
const LOG_LINES = 15

/** Starts a process in a group of its own, so that Ctrl-C in a terminal doesn't reach it before it is time. */
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
      if (!stopping) reject(new Error(`${name} ended by itself (${signal ?? `code ${code}`}):\n${lastLines()}`))
    })
  })
  failure.catch(() => {})
  const killNow = () => killGroup(child, 'SIGKILL')
  process.once('exit', killNow)

  return {
    name,
    failure,
    log: lastLines,
    stop() {
      stopping ??= (async () => {
        killGroup(child, 'SIGTERM')
        const timer = setTimeout(killNow, grace)
        await ended
        clearTimeout(timer)
        // Whatever the process left behind of its own.
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
