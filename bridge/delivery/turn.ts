import { Batch } from './batch.ts'

/** Frames of one turn, in bytes, that are sent before its end. */
const MAX_ENCODED = 8 * 1024 * 1024

/** Runs a function once, after the current turn of the event loop and without a timer. */
export type Schedule = (run: () => void) => void

/** A member of a turn. It is flushed once, at the end. */
export interface TurnMember {
  flush(): void
}

/**
 * One turn of the event loop. Frames of a turn are sent together at its end: one socket write per client and turn. This
 * adds no delay on an idle hub. Frames with a window may wait longer.
 */
export class Turn {
  readonly #schedule: Schedule
  #members: TurnMember[] = []
  #empty: Batch = Batch.empty()
  readonly #later = new Map<number, TurnMember[]>()
  readonly #relieved: () => void
  #encoded = 0

  /** @param relieved called when a turn was flushed before its end, because it had too many bytes */
  constructor(schedule: Schedule, relieved: () => void = () => {}) {
    this.#schedule = schedule
    this.#relieved = relieved
  }

  /**
   * Flushes `member` at the end of this turn, or `window` ms after the first member with the same window joined. Call it
   * once for each flush.
   */
  join(member: TurnMember, window = 0): void {
    if (window > 0) return this.#joinLater(member, window)
    if (this.#members.push(member) === 1) this.#schedule(() => this.flush())
  }

  #joinLater(member: TurnMember, window: number): void {
    const waiting = this.#later.get(window)
    if (waiting) return void waiting.push(member)
    this.#later.set(window, [member])
    setTimeout(() => {
      const due = this.#later.get(window) ?? []
      this.#later.delete(window)
      this.#empty = Batch.empty()
      for (const one of due) one.flush()
    }, window)
  }

  /** The batch from which each client's batch of this turn grows. */
  get emptyBatch(): Batch {
    return this.#empty
  }

  /** Ends the turn now. */
  flush(): void {
    const members = this.#members
    this.#members = []
    this.#empty = Batch.empty()
    this.#encoded = 0
    for (const member of members) member.flush()
  }

  /** Counts a frame that was encoded for this turn. */
  encoded(bytes: number): void {
    this.#encoded += bytes
  }

  /**
   * Flushes now if the frames of this turn take much memory: one message can be a frame for each of many clients. Call it
   * between the members of a group or a filter, where any client may be closed.
   */
  relieve(): void {
    if (this.#encoded < MAX_ENCODED) return
    for (const waiting of this.#later.values()) for (const member of waiting.splice(0)) this.#members.push(member)
    this.flush()
    this.#relieved()
  }
}
