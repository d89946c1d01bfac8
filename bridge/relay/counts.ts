import type { SpanwireError } from '../../sdk/wire/errors.ts'

/**
 * The state of a relay.
 *
 * - `starting`: not yet open
 * - `running`: messages can flow
 * - `waiting`: NATS or the foreign broker is unavailable or full. The relay tries again, and `problem` has the reason
 * - `refused`: the declaration or the configuration of a broker does not allow it. The relay does not try again
 * - `stopped`: drained
 */
export type RelayState = 'starting' | 'running' | 'waiting' | 'refused' | 'stopped'

/** The statistics of one relay in this process. Counts begin at the start of the process. */
export interface RelayStatus {
  /** The relay's name. */
  readonly name: string
  /** `in`: into a stream. `out`: out of a stream. */
  readonly direction: 'in' | 'out'
  /** The topic, queue or exchange, such as `kafka:orders`. */
  readonly place: string
  /** The event's name. */
  readonly event: string
  /** The stream that is written or read. */
  readonly stream: string
  /** The current state. */
  readonly state: RelayState
  /** The reason for `waiting` or `refused`, else undefined. */
  readonly problem: string | undefined
  /** The guarantee for repetitions and order, in words. */
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
  /** Messages that are not relayed, as they came from the destination. */
  readonly loops: number
  /** Tombstones that are ignored as declared. */
  readonly ignored: number
  /** Messages without an id. A redelivery of such a message is stored twice, except in lanes with positions (Kafka). */
  readonly withoutId: number
  /** Lanes, or subjects, that wait behind a message that cannot be relayed. */
  readonly stoppedLanes: readonly string[]
  /** Messages of the source that are not relayed. Undefined if the protocol has no such count. */
  readonly lag: number | undefined
  /** Seconds since the last relayed message was published; 0 without lag. */
  readonly secondsBehind: number
}

/** Warnings that are kept for a relay. */
const MOST_WARNINGS = 20

/** Counts of one relay. */
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

  /** Sets the state to `waiting` with the reason, or to `running` if there is none. */
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
