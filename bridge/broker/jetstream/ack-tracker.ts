/** A delivered message without an acknowledgement. */
interface Unacknowledged {
  /** Consumer sequence of the first delivery. */
  readonly consumerSeq: number
  deliveries: number
  /** Time of the next delivery, in ms since 1970. */
  deadline: number
}

/** Unacknowledged messages of a consumer, by stream sequence, in the order of their first delivery. */
export class AckTracker {
  readonly #wait: number
  readonly #maxDeliver: number
  readonly #pending = new Map<number, Unacknowledged>()
  #due: number[] = []

  /** @param wait time until a message is delivered again, in ms @param maxDeliver -1 for no limit */
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

  /** The first unacknowledged message. */
  get oldest(): { readonly seq: number; readonly consumerSeq: number } | undefined {
    for (const [seq, { consumerSeq }] of this.#pending) return { seq, consumerSeq }
    return undefined
  }

  /** Time of the next redelivery. */
  get nextDeadline(): number | undefined {
    let earliest: number | undefined
    for (const { deadline, deliveries } of this.#pending.values()) {
      if (this.#isSpent(deliveries) || deadline === Number.POSITIVE_INFINITY) continue
      if (earliest === undefined || deadline < earliest) earliest = deadline
    }
    return earliest
  }

  /** Counts a delivery. Returns the number of deliveries of that message. */
  delivered(seq: number, consumerSeq: number, now: number): number {
    const known = this.#pending.get(seq)
    if (!known) {
      this.#pending.set(seq, { consumerSeq, deliveries: 1, deadline: now + this.#wait })
      return 1
    }
    known.deadline = now + this.#wait
    return ++known.deliveries
  }

  /** The message is acknowledged or terminated. Returns whether it was unacknowledged. */
  settle(seq: number): boolean {
    this.#due = this.#due.filter((due) => due !== seq)
    return this.#pending.delete(seq)
  }

  /** Settles that message and all earlier ones. */
  settleUpTo(seq: number): void {
    for (const known of [...this.#pending.keys()]) if (known <= seq) this.settle(known)
  }

  /** The message is in progress. Its wait starts again. */
  extend(seq: number, now: number): void {
    const known = this.#pending.get(seq)
    if (known) known.deadline = now + this.#wait
  }

  /** The message is delivered again after `delay` ms. */
  refuse(seq: number, now: number, delay: number): void {
    const known = this.#pending.get(seq)
    if (known) known.deadline = now + delay
  }

  /** Marks messages past their deadline as due. */
  expire(now: number): void {
    for (const [seq, known] of this.#pending) {
      if (known.deadline > now || this.#isSpent(known.deliveries)) continue
      known.deadline = Number.POSITIVE_INFINITY
      this.#due.push(seq)
    }
    this.#due.sort((a, b) => a - b)
  }

  /** The next message to deliver again. */
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
