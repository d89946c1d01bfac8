/**
 * Answers "has the broker processed everything up to this mark?" for many clients with few round trips: at most one is
 * under way, and everybody who asks meanwhile shares the next.
 */
export class Barrier {
  readonly #roundTrip: () => Promise<void>
  #asked = 0
  #confirmed = 0
  #underway: { readonly mark: number; readonly done: Promise<void> } | undefined
  #next: Promise<void> | undefined

  constructor(roundTrip: () => Promise<void>) {
    this.#roundTrip = roundTrip
  }

  /** Something was asked of the broker. Returns the mark that stands for it. */
  mark(): number {
    return ++this.#asked
  }

  /**
   * Resolves once the broker has processed everything up to `mark`, or could not be reached; undefined if it already
   * has. Never rejects.
   */
  confirm(mark: number): Promise<void> | undefined {
    if (mark <= this.#confirmed) return undefined
    if (this.#underway && this.#underway.mark >= mark) return this.#underway.done
    this.#next ??= (this.#underway?.done ?? Promise.resolve()).then(() => this.#start())
    return this.#next
  }

  #start(): Promise<void> {
    const mark = this.#asked
    const done = this.#roundTrip().then(
      () => {
        this.#confirmed = mark
        this.#underway = undefined
      },
      () => {
        this.#underway = undefined
      },
    )
    this.#next = undefined
    this.#underway = { mark, done }
    return done
  }
}
