/** Work that has begun and is not settled. Its errors are not reported here. */
export class PendingWork {
  readonly #underway = new Set<Promise<unknown>>()

  add(work: Promise<unknown>): void {
    const tracked = work.catch(() => {}).finally(() => this.#underway.delete(tracked))
    this.#underway.add(tracked)
  }

  /** Resolves when all work is settled, including work that begins in the meantime. */
  async settled(): Promise<void> {
    while (this.#underway.size > 0) await Promise.all(this.#underway)
  }
}
