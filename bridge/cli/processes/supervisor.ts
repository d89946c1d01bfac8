import type { ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { type Backoff, createBackoff } from '../../../sdk/kit/backoff.ts'
import type { HubGroup } from '../../hub/peers.ts'
import { EXIT } from '../terminal/exit-code.ts'
import { startWorker, type WorkerProgram, type WorkerReport } from './worker-process.ts'

/** Delays before a crashed process is replaced, in ms. */
const DELAYS = { first: 250, longest: 10_000 }
/** A process that ran this long, in ms, did not die of its start. */
const STEADY = 30_000
/** How long processes may take after SIGTERM, in addition to the clients' patience, in ms. */
const GRACE = 10_000

export interface SupervisorOptions extends WorkerProgram {
  readonly count: number
  /** How long clients may take to leave, in ms. */
  readonly patience: number
  /** Drains all processes. */
  readonly stop: AbortSignal
  /** Called once when every process listens for the first time. */
  readonly ready: (url: string) => void
  /** One line about a process, for people. */
  readonly note: (line: string) => void
}

/** The number of processes that `auto` means. */
export function countOf(processes: number | 'auto'): number {
  return processes === 'auto' ? availableParallelism() : processes
}

/**
 * Runs processes that share a port, and replaces crashed ones, until it is stopped. Resolves with an exit code:
 * a process that fails before it has listened once ends all of them, because the next one would fail as well.
 */
export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #group = randomUUID().replaceAll('-', '')
  readonly #names: readonly string[]
  readonly #running = new Map<string, ChildProcess>()
  readonly #ready = new Set<string>()
  readonly #ended = Promise.withResolvers<number>()
  #isStopping = false
  #exitCode: number = EXIT.done

  constructor(options: SupervisorOptions) {
    this.#options = options
    this.#names = Array.from({ length: options.count }, (_, index) => `hub-${index + 1}`)
  }

  run(): Promise<number> {
    for (const name of this.#names) this.#start(name, createBackoff(DELAYS))
    const { stop } = this.#options
    if (stop.aborted) this.#stop(EXIT.done)
    else stop.addEventListener('abort', () => this.#stop(EXIT.done), { once: true })
    return this.#ended.promise
  }

  #start(name: string, backoff: Backoff): void {
    if (this.#isStopping) return
    const group: HubGroup = { id: this.#group, name, names: this.#names }
    const child = startWorker(this.#options, group)
    const startedAt = performance.now()
    this.#running.set(name, child)
    child.on('message', (report: WorkerReport) => this.#reported(name, report))
    child.once('exit', (code, signal) => {
      this.#running.delete(name)
      if (this.#isStopping) return this.#checkEnded()
      if (!this.#ready.has(name)) return this.#stop(code || EXIT.internal)
      if (performance.now() - startedAt > STEADY) backoff.failures = 0
      const wait = Math.round(backoff.next())
      this.#options.note(`${name} ended (${signal ?? `exit code ${code}`}); another starts in ${wait} ms`)
      backoff.schedule(() => this.#start(name, backoff), wait)
    })
  }

  #reported(name: string, report: WorkerReport): void {
    if (!('url' in report)) return
    const isFirst = this.#ready.size < this.#names.length
    this.#ready.add(name)
    if (isFirst && this.#ready.size === this.#names.length) this.#options.ready(report.url)
  }

  #stop(exitCode: number): void {
    if (this.#isStopping) return
    this.#isStopping = true
    this.#exitCode = exitCode
    for (const child of this.#running.values()) child.kill('SIGTERM')
    const late = setTimeout(() => {
      for (const child of this.#running.values()) child.kill('SIGKILL')
    }, this.#options.patience + GRACE)
    late.unref()
    this.#checkEnded()
  }

  #checkEnded(): void {
    if (this.#running.size === 0) this.#ended.resolve(this.#exitCode)
  }
}
