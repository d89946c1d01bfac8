import type { BatchPart } from './server-commands.ts'

/** Messages of a batch, and time after which nats-server abandons one without messages, in ms (ADR-50). */
const MAX_MESSAGES = 1_000
const IDLE = 10_000
/** Users are forgotten beyond this number, which bounds memory. */
const MAX_USERS = 10_000

/** Batches that users have begun and not committed. */
export class OpenBatches {
  readonly #max: number
  /** Time of the last message, by user and by id. */
  readonly #users = new Map<string, Map<string, number>>()

  /** @param max of one user */
  constructor(max: number) {
    this.#max = max
  }

  /** Counts a message. Returns whether it is within the limits. */
  take(user: string, { id, seq, commits }: BatchPart, now: number): boolean {
    if (seq > MAX_MESSAGES) return false
    let open = this.#users.get(user)
    for (const [other, at] of open ?? []) if (now - at > IDLE) open?.delete(other)
    if (commits) {
      open?.delete(id)
      if (open?.size === 0) this.#users.delete(user)
      return true
    }
    if (!open?.has(id) && (open?.size ?? 0) >= this.#max) return false
    if (!open) {
      if (this.#users.size >= MAX_USERS) this.#sweep(now)
      open = new Map()
      this.#users.set(user, open)
    }
    open.set(id, now)
    return true
  }

  #sweep(now: number): void {
    for (const [user, open] of this.#users)
      if ([...open.values()].every((at) => now - at > IDLE)) this.#users.delete(user)
    if (this.#users.size >= MAX_USERS) this.#users.clear()
  }
}
