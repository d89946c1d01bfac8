const PONG = new TextEncoder().encode('PONG\r\n')

/** What a client's answers go through. */
export interface AnswersOwner {
  write(frame: Uint8Array): void
  /** Resolves when the broker has processed all up to the mark; undefined if it has, or can't be asked. */
  confirm(mark: number): Promise<void> | undefined
  /** The number of unanswered PINGs is another one. */
  changed(): void
}

/** PINGs that wait for what the broker has to confirm, and the answers to what came behind them. */
interface Unanswered {
  readonly mark: number
  pings: number
  readonly later: Uint8Array[]
}

/** Answers a client in the order in which it asked: a PONG may have to wait, and later answers behind it. */
export class Answers {
  readonly #owner: AnswersOwner
  readonly #unanswered: Unanswered[] = []
  #lastPong: Promise<void> | undefined

  constructor(owner: AnswersOwner) {
    this.#owner = owner
  }

  get pings(): number {
    return this.#unanswered.reduce((sum, { pings }) => sum + pings, 0)
  }

  /** Says it behind whatever waits. */
  give(frame: Uint8Array): void {
    const last = this.#unanswered.at(-1)
    if (last) last.later.push(frame)
    else this.#owner.write(frame)
  }

  /** PONG says that the broker has processed all that the client sent before. */
  pong(mark: number): void {
    const last = this.#unanswered.at(-1)
    // A flood of PINGs is a number, not a list.
    if (last?.mark === mark && last.later.length === 0) {
      last.pings++
      return
    }
    const confirmed = this.#owner.confirm(mark)
    if (!confirmed && !last) return this.#owner.write(PONG)
    const ping: Unanswered = { mark, pings: 1, later: [] }
    this.#unanswered.push(ping)
    this.#owner.changed()
    this.#lastPong = Promise.all([confirmed, this.#lastPong]).then(() => {
      this.#unanswered.shift()
      for (let i = 0; i < ping.pings; i++) this.#owner.write(PONG)
      for (const frame of ping.later) this.#owner.write(frame)
      this.#owner.changed()
    })
  }

  /** Says what waits behind a PONG at once; the PONG itself would promise too much. */
  giveUp(): void {
    for (const { later } of this.#unanswered) for (const frame of later) this.#owner.write(frame)
  }
}
