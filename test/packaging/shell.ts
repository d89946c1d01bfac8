import { type ChildProcess, execFile, spawn } from 'node:child_process'
import process from 'node:process'
import { promisify } from 'node:util'
import { eventually } from '../support/eventually.ts'

const execute = promisify(execFile)

/** A command that runs until it is stopped. */
export interface Running {
  /** Resolves with the first match in its output. Rejects with the output if the process ends first. */
  written(pattern: RegExp): Promise<RegExpMatchArray>
  /** Sends a signal to the command, and resolves with its exit code. */
  stop(signal: NodeJS.Signals): Promise<number | null>
}

/** Commands as a user types them, in one folder. Disposing it ends all running commands, with their children. */
export class Shell implements AsyncDisposable {
  readonly folder: string
  readonly #children: ChildProcess[] = []

  constructor(folder: string) {
    this.folder = folder
  }

  /** Runs a command. Rejects with its output if it fails or takes more than a minute. */
  async run(command: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
    const options = { cwd: this.folder, timeout: 60_000, env: environment(env) }
    try {
      return (await execute('sh', ['-c', command], options)).stdout
    } catch (error) {
      const { stdout, stderr } = error as { stdout: string; stderr: string }
      throw new Error(`${command} failed:\n${stdout}\n${stderr}`, { cause: error })
    }
  }

  start(command: string, env: Readonly<Record<string, string>> = {}): Running {
    // `exec` leaves no shell between the signal and the command. A group includes the children of npx.
    const child = spawn('sh', ['-c', `exec ${command}`], {
      cwd: this.folder,
      env: environment(env),
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#children.push(child)
    let output = ''
    child.stdout?.on('data', (chunk) => (output += chunk))
    child.stderr?.on('data', (chunk) => (output += chunk))
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
    return {
      written: async (pattern) => {
        const isOver = () => child.exitCode !== null || child.signalCode !== null
        await eventually(() => pattern.test(output) || isOver(), { deadline: 30_000 }).catch(() => {})
        const found = pattern.exec(output)
        if (found) return found
        throw new Error(`${command} has not written ${pattern}:\n${output}`)
      },
      stop: (signal) => {
        child.kill(signal)
        return ended
      },
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) {
      const isOver = child.exitCode !== null || child.signalCode !== null
      if (isOver || child.pid === undefined) continue
      const closed = new Promise((resolve) => child.once('close', resolve))
      process.kill(-child.pid, 'SIGKILL')
      await closed
    }
  }
}

/** Colours would be part of the output. Settings of this run must not reach commands of a user. */
function environment(added: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_ENV$|VITEST|SPANWIRE_)/i.test(name))
  return { ...Object.fromEntries(inherited), NO_COLOR: '1', ...added }
}
