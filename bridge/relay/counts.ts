import type { SpanwireError } from '../../sdk/wire/errors.ts'

/**
 * The state of a relay.
 *
 * - `starting`: it has not been open yet
 * - `running`: messages can flow
 * - `waiting`: NATS or the foreign broker is away or full; `problem` says which, and it tries again
 * - `refused`: it cannot work as it is declared or configured; it does not try again
 * - `stopped`: it was drained
 */
export type RelayState = 'starting' | 'running' | 'waiting' | 'refused' | 'stopped'

/** The statistics of one relay in this process. Counts begin at the start of the process. */
export interface RelayStatus {
  readonly name: string
  readonly direction: 'in' | 'out'
  /** Such as `kafka:orders`. */
  readonly place: string
  /** The event's name. */
  readonly event: string
  readonly stream: string
  readonly state: RelayState
  /** Why it waits or is refused. */
  readonly problem: string | undefined
  /** What holds for repetitions and order, in words. */
  readonly guarantee: string
  /** Warnings about the broker's configuration, and about messages without ids. */
  readonly warnings: readonly string[]
  /** Messages that the other side confirmed. */
  readonly relayed: number
  /** Messages that the stream had already, which were not stored again. */
  readonly duplicates: number
  /** Deliveries that the source marked as repetitions. */
  readonly redelivered: number
  /** Messages that went to the dead letter. */
  readonly dead: number
  /** Messages that came from the place where they would have gone. */
  readonly loops: number
  /** Tombstones that are ignored as declared. */
  readonly ignored: number
  /** Messages without an id: a repetition of one is stored twice, unless batches of an exclusive lane guard against it. */
  readonly withoutId: number
  /** Lanes, or subjects, that wait behind a message that cannot be relayed. */
  readonly stoppedLanes: readonly string[]
  /** Messages of the source that are not relayed; undefined if the source does not tell. */
  readonly lag: number | undefined
  /** Seconds since the last relayed message was published; 0 without lag. */
  readonly secondsBehind: number
}

const MOST_WARNINGS = 20

/** Counts of one relay, as its parts report them. */
export class RelayCounts {
  state: RelayState = 'starting'
  problem: string | undefined
  guarantee = ''
  relayed = 0
  duplicates = 0
  redelivered = 0
  dead = 0
  loops = 0
  ignored = 0
  withoutId = 0
  lag: number | undefined
  /** When the last relayed message was published, in ms since 1970. */
  lastTime: number | undefined
  readonly stoppedLanes = new Set<string>()
  readonly #warnings = new Set<string>()

  get warnings(): readonly string[] {
    return [...this.#warnings]
  }

  /** Returns whether the warning is new. */
  warn(text: string): boolean {
    if (this.#warnings.has(text) || this.#warnings.size >= MOST_WARNINGS) return false
    this.#warnings.add(text)
    return true
  }

  /** Something is away for now. Undefined: all is well. */
  wait(error: SpanwireError | undefined): void {
    if (this.state === 'stopped' || this.state === 'refused') return
    this.problem = error?.message
    if (error) this.state = this.state === 'starting' ? 'starting' : 'waiting'
    else this.state = 'running'
  }

  get secondsBehind(): number {
    if (!this.lag || this.lastTime === undefined) return 0
    return Math.max(0, (Date.now() - this.lastTime) / 1_000)
  }
}
