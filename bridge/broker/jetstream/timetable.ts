import type { Entry } from './entry-log.ts'

/** The schedules of a stream, and when they are due. */
export class Timetable {
  readonly #due = new Map<Entry, number>()
  #next: number | undefined

  /** Adds a schedule, or changes its time. @param at in ms since 1970 */
  set(entry: Entry, at: number): void {
    this.#due.set(entry, at)
    this.#next = undefined
  }

  remove(entry: Entry): void {
    if (this.#due.delete(entry)) this.#next = undefined
  }

  /** When the next schedule is due. Infinity without schedules. */
  get next(): number {
    if (this.#next === undefined) {
      this.#next = Number.POSITIVE_INFINITY
      for (const at of this.#due.values()) this.#next = Math.min(this.#next, at)
    }
    return this.#next
  }

  /** The schedules that are due, by sequence. */
  due(now: number): Array<readonly [entry: Entry, at: number]> {
    if (now < this.next) return []
    return [...this.#due].filter(([, at]) => at <= now).sort(([a], [b]) => a.seq - b.seq)
  }
}
