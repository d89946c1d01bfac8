/** The command line as users run it: a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { root } from '../build/source-files.ts'
import { eventually } from '../support/eventually.ts'
import type { Runtime } from '../support/process-host.ts'

export interface CliOptions {
  /** Default `node`. */
  readonly runtime?: Runtime
  /** Another executable, such as an older Node. */
  readonly executable?: string
  /** Variables in addition to the process's own; undefined removes one. */
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly cwd?: string
  /** Standard input. Default: none. */
  readonly input?: string | Uint8Array
}

/** The result of a command. */
export interface CliResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A command that runs until it is stopped. */
export interface RunningCli extends AsyncDisposable {
  readonly child: ChildProcess
  readonly output: { readonly stdout: string; readonly stderr: string }
  /** Resolves with the first match in stdout and stderr. Rejects with the output if the process ends first. */
  written(pattern: RegExp): Promise<RegExpMatchArray>
  /** The first line of stdout as JSON. */
  json<T>(): Promise<T>
  /** Sends a signal, SIGTERM by default, and resolves with the exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>
}

/** When a command that should end is killed, in ms: its exit code is null then. */
const DEADLINE = 30_000

const main = join(root, 'bridge/cli/main.ts')

function start(args: readonly string[], { runtime = 'node', executable, env, cwd, input }: CliOptions): ChildProcess {
  const flags = runtime === 'deno' ? ['run', '--allow-all'] : []
  const merged = { ...process.env, NO_COLOR: '1', SPANWIRE_URL: undefined, SPANWIRE_TOKEN: undefined, ...env }
  const child = spawn(executable ?? join(root, 'node_modules/.bin', runtime), [...flags, main, ...args], {
    cwd: cwd ?? root,
    env: Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== undefined)),
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  })
  if (input !== undefined) child.stdin?.end(input)
  return child
}

/** Runs a command to its end, which must come within 30 s. */
export async function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const child = start(args, options)
  let [stdout, stderr] = ['', '']
  child.stdout?.on('data', (chunk) => (stdout += chunk))
  child.stderr?.on('data', (chunk) => (stderr += chunk))
  const late = setTimeout(() => child.kill('SIGKILL'), DEADLINE)
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  clearTimeout(late)
  return { code, stdout, stderr }
}

/** Starts a command that stays. */
export function startCli(args: readonly string[], options: CliOptions = {}): RunningCli {
  const child = start(args, options)
  const output = { stdout: '', stderr: '' }
  child.stdout?.on('data', (chunk) => (output.stdout += chunk))
  child.stderr?.on('data', (chunk) => (output.stderr += chunk))
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  const isOver = () => child.exitCode !== null || child.signalCode !== null
  const written = async (pattern: RegExp) => {
    const find = () => pattern.exec(output.stdout) ?? pattern.exec(output.stderr)
    await eventually(() => find() ?? isOver(), { deadline: 30_000, what: String(pattern) }).catch(() => {})
    const found = find()
    if (found) return found
    const how = isOver() ? `It ended with ${child.exitCode}` : 'It runs'
    throw new Error(`${how} and has not written ${pattern}:\n${output.stdout}\n${output.stderr}`)
  }
  const stop = async (signal: NodeJS.Signals = 'SIGTERM') => {
    if (!isOver()) child.kill(signal)
    const late = setTimeout(() => child.kill('SIGKILL'), 20_000)
    return ended.finally(() => clearTimeout(late))
  }
  return {
    child,
    output,
    written,
    json: async () => JSON.parse((await written(/^\{.*\}$/m))[0]),
    stop,
    [Symbol.asyncDispose]: async () => void (await stop()),
  }
}
