/** A message that was delivered and not acknowledged. */
interface Unacknowledged {
  /** The consumer's sequence when it was first delivered. */
  readonly consumerSeq: number
  deliveries: number
  /** In ms; then it is delivered again. */
  deadline: number
}

/** What a consumer that wants acknowledgements waits for. By stream sequence; ascending, as they were first delivered. */
export class AckTracker {
  readonly #wait: number
  readonly #maxDeliver: number
  readonly #pending = new Map<number, Unacknowledged>()
  #due: number[] = []

  /** @param wait ms until a message is delivered again; `maxDeliver` -1 for ever */
  constructor(wait: number, maxDeliver: number) {
    this.#wait = wait
    this.#maxDeliver = maxDeliver
  }

  get size(): number {
    return this.#pending.size
  }

  get redelivered(): number {
    let count = 0
    for (const { deliveries } of this.#pending.values()) if (deliveries > 1) count++
    return count
  }

  /** The first that is missing an acknowledgement. */
  get oldest(): { readonly seq: number; readonly consumerSeq: number } | undefined {
    for (const [seq, { consumerSeq }] of this.#pending) return { seq, consumerSeq }
    return undefined
  }

  /** When the next one has to be delivered again. */
  get nextDeadline(): number | undefined {
    let earliest: number | undefined
    for (const { deadline, deliveries } of this.#pending.values()) {
      if (this.#isSpent(deliveries) || deadline === Number.POSITIVE_INFINITY) continue
      if (earliest === undefined || deadline < earliest) earliest = deadline
    }
    return earliest
  }

  /** Counts a delivery and returns how many there were of that message. */
  delivered(seq: number, consumerSeq: number, now: number): number {
    const known = this.#pending.get(seq)
    if (!known) {
      this.#pending.set(seq, { consumerSeq, deliveries: 1, deadline: now + this.#wait })
      return 1
    }
    known.deadline = now + this.#wait
    return ++known.deliveries
  }

  /** Acknowledged, or given up. Returns whether it was waited for. */
  settle(seq: number): boolean {
    this.#due = this.#due.filter((due) => due !== seq)
    return this.#pending.delete(seq)
  }

  /** That one and all before it. */
  settleUpTo(seq: number): void {
    for (const known of [...this.#pending.keys()]) if (known <= seq) this.settle(known)
  }

  /** Work is in progress: the wait begins anew. */
  extend(seq: number, now: number): void {
    const known = this.#pending.get(seq)
    if (known) known.deadline = now + this.#wait
  }

  /** To be delivered again after `delay` ms. */
  refuse(seq: number, now: number, delay: number): void {
    const known = this.#pending.get(seq)
    if (known) known.deadline = now + delay
  }

  /** Moves what has waited too long to what is due. */
  expire(now: number): void {
    for (const [seq, known] of this.#pending) {
      if (known.deadline > now || this.#isSpent(known.deliveries)) continue
      known.deadline = Number.POSITIVE_INFINITY
      this.#due.push(seq)
    }
    this.#due.sort((a, b) => a - b)
  }

  /** The next one to be delivered again. */
  get due(): number | undefined {
    return this.#due[0]
  }

  takeDue(): void {
    this.#due.shift()
  }

  #isSpent(deliveries: number): boolean {
    return this.#maxDeliver > 0 && deliveries >= this.#maxDeliver
  }
}
