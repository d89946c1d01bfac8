import { SpanwireError } from '../../sdk/wire/errors.ts'
import type { Account, AccountOwner, Budget, Shortage } from '../budget/budget.ts'

/** A request is refused or ended because of the limit `memory`. */
export class MemoryError extends SpanwireError {}

/** Memory of one HTTP request, in the budget of its user. */
export class RequestMemory implements AccountOwner {
  /** Rejects when this request must make room for others. */
  readonly evicted: Promise<never>
  readonly #account: Account
  readonly #eviction = Promise.withResolvers<never>()
  #released: (() => void) | undefined
  #sent: Promise<void> | undefined

  /** @param released called once, when the memory of the request is free */
  constructor(budget: Budget, user: string, released?: () => void) {
    this.#account = budget.open(user, this)
    this.#released = released
    this.evicted = this.#eviction.promise
    this.evicted.catch(() => {})
  }

  /**
   * Counts more bytes, before they are held.
   * @throws SpanwireError `rate-limited` beyond the user's share, `upstream-unavailable` where the hub is full
   */
  take(bytes: number): void {
    const shortage = this.#account.take(bytes)
    if (shortage) throw toRefusal(shortage)
  }

  /** All was counted by `take`. */
  measure(): number {
    return 0
  }

  evict(shortage: Shortage): void {
    this.#eviction.reject(toRefusal(shortage))
  }

  /** Ends the request: another one has replaced it. */
  stop(): void {
    this.#eviction.reject(new SpanwireError('aborted', 'The same request arrived again.'))
  }

  /** Holds everything until the client has read the response, also after {@link close}. */
  holdUntil(sent: Promise<void>): void {
    this.#sent = sent
  }

  /** The request was processed. */
  close(): void {
    if (this.#sent) void this.#sent.then(() => this.#release())
    else this.#release()
  }

  #release(): void {
    this.#account.close()
    this.#released?.()
    this.#released = undefined
  }
}

function toRefusal(shortage: Shortage): SpanwireError {
  return shortage === 'hub'
    ? new MemoryError('upstream-unavailable', 'The bridge has no memory left for requests. Try again in a second.')
    : new MemoryError(
        'rate-limited',
        'The bridge holds too many bytes for you. Wait until your other requests have ended.',
      )
}
