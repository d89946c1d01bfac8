import { Batch } from './batch.ts'

/** Runs a function once, soon: after what the event loop has in hand, but without waiting for a clock. */
export type Schedule = (run: () => void) => void

/** What takes part in a turn: it is flushed once, however much was written. */
export interface TurnMember {
  flush(): void
}

/**
 * One turn of the event loop. Frames that are written during it are gathered and go out together at its end: one send
 * per client and turn. An idle hub adds no delay. Frames that may wait are gathered for longer, where that is wanted.
 */
export class Turn {
  readonly #schedule: Schedule
  #members: TurnMember[] = []
  #empty: Batch = Batch.empty()
  readonly #later = new Map<number, TurnMember[]>()

  constructor(schedule: Schedule) {
    this.#schedule = schedule
  }

  /**
   * Takes part in the flush at the end of this turn, or in one `window` ms after the first who wants the same. Call it once
   * for each flush.
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

  /** What a client's batch of this turn grows from. */
  get emptyBatch(): Batch {
    return this.#empty
  }

  /** Ends the turn now. */
  flush(): void {
    const members = this.#members
    this.#members = []
    this.#empty = Batch.empty()
    for (const member of members) member.flush()
  }
}
