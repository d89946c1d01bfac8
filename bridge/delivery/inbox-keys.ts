/** Time for a client to connect again, in ms. */
const LIFETIME = 5 * 60_000
/** Inboxes of one user, and users. Older ones are forgotten. */
const MAX_INBOXES = 100
const MAX_USERS = 10_000
/** Shorter names may be guessed. Clients of NATS have random names of 22 characters. */
const MIN_LENGTH = 20

interface Kept {
  readonly key: string
  readonly expires: number
}

/**
 * Inbox keys of connections that have ended. A client that connects again subscribes to the same inboxes: with the key of
 * its former connection it gets messages that are still sent there, such as those of its push consumers.
 */
export class InboxKeys {
  readonly #clock: () => number
  readonly #byUser = new Map<string, Map<string, Kept>>()

  constructor(clock: () => number) {
    this.#clock = clock
  }

  /** A connection has ended. @param names second tokens of its inboxes */
  keep(user: string, names: Iterable<string>, key: string): void {
    const kept = this.#byUser.get(user) ?? new Map<string, Kept>()
    for (const name of names) {
      if (name.length < MIN_LENGTH) continue
      kept.delete(name)
      kept.set(name, { key, expires: this.#clock() + LIFETIME })
    }
    dropOldest(kept, MAX_INBOXES)
    this.#byUser.delete(user)
    if (kept.size > 0) this.#byUser.set(user, kept)
    dropOldest(this.#byUser, MAX_USERS)
  }

  /** The key of a former connection of the user with such an inbox. No other connection gets it again. */
  take(user: string, name: string): string | undefined {
    const kept = this.#byUser.get(user)
    const { key, expires = 0 } = kept?.get(name) ?? {}
    if (!kept || key === undefined) return undefined
    for (const [other, one] of kept) if (one.key === key) kept.delete(other)
    if (kept.size === 0) this.#byUser.delete(user)
    return expires > this.#clock() ? key : undefined
  }
}

function dropOldest(map: Map<string, unknown>, max: number): void {
  for (const key of map.keys()) {
    if (map.size <= max) return
    map.delete(key)
  }
}
