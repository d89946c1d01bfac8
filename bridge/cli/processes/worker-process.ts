/** One of several processes that share a port: how its supervisor starts it, and how it answers. */
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import cluster from 'node:cluster'
import process from 'node:process'
import type { HubGroup } from '../../hub/peers.ts'
import { runtime, typeScriptFlags } from '../runtime/runtime.ts'

/** Carries the hub's place in its group to the process. */
const GROUP = 'SPANWIRE_GROUP'
/** Carries the port to processes that share it by SO_REUSEPORT. */
const PORT = 'SPANWIRE_SHARED_PORT'

/** A report of a process to its supervisor. */
export type WorkerReport = { readonly url: string } | { readonly failure: number }

/** The place of a process in its group, as its supervisor sets it. */
export interface WorkerPlace {
  readonly group: HubGroup
  /** Set where the port is shared by SO_REUSEPORT. */
  readonly port?: number
}

export function workerPlace(env: Readonly<Record<string, string | undefined>>): WorkerPlace | undefined {
  const { [GROUP]: group, [PORT]: port } = env
  if (group === undefined) return undefined
  return { group: JSON.parse(group) as HubGroup, ...(port !== undefined && { port: Number(port) }) }
}

/** How processes are started. */
export interface WorkerProgram {
  /** The module of this program. */
  readonly path: string
  readonly args: readonly string[]
  /** The port that they share by SO_REUSEPORT: on Linux. Undefined where `node:cluster` shares it. */
  readonly port: number | undefined
}

/**
 * Starts a process. On Linux the kernel gives each connection to one of the processes. Elsewhere the supervisor accepts
 * connections and hands them out in turn (`node:cluster`), which costs 80 µs of CPU for each.
 */
export function startWorker({ path, args, port }: WorkerProgram, group: HubGroup): ChildProcess {
  const env = { [GROUP]: JSON.stringify(group), ...(port !== undefined && { [PORT]: String(port) }) }
  if (port === undefined) {
    cluster.setupPrimary({ exec: path, args: [...args], execArgv: [...process.execArgv, ...typeScriptFlags()] })
    return cluster.fork(env).process as ChildProcess
  }
  // Deno 2.9 shares ports only with this flag.
  const flags =
    runtime === 'deno' ? ['run', '--allow-all', '--unstable-net'] : [...process.execArgv, ...typeScriptFlags()]
  return spawn(process.execPath, [...flags, path, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
}

/** Reports to the supervisor, if there is one. */
export function report(message: WorkerReport): void {
  process.send?.(message)
}

/** Calls `gone` when the process that started this one has ended. */
export function onOrphaned(gone: () => void): void {
  const parent = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(timer)
    gone()
  }, 1_000)
  timer.unref()
}
