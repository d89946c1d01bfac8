import type { StoredMessage } from '../jetstream/jetstream-link.ts'

/** Number of events that are remembered, about 100 kB. */
const MOST = 2_048

/** The latest events that this process has handled. Another delivery of them is acknowledged, and not handled again. */
export class DoneEvents {
  /** The time at which the stream stored an event, by its sequence. A stream that was made again has other times. */
  readonly #times = new Map<number, number>()

  add({ seq, time }: StoredMessage): void {
    this.#times.set(seq, time)
    if (this.#times.size <= MOST) return
    for (const [oldest] of this.#times) {
      this.#times.delete(oldest)
      return
    }
  }

  has({ seq, time }: StoredMessage): boolean {
    return this.#times.get(seq) === time
  }
}
