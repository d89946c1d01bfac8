import { SharedUpstream } from './shared-upstream.ts'
import type { Upstream } from './upstream.ts'

/** Branches of one hub, and of one user. Each is a connection to the broker, and few clients need one. */
const MAX_BRANCHES = 100
const MAX_PER_USER = 10
/** Time for a branch to connect, in ms. After it, the branch goes on in the background. */
const PATIENCE = 5_000

/**
 * Opens a connection of its own for a client with `echo: false` that joins a queue group. NATS must not choose this client
 * for its own messages, and only knows whose messages they are if they come by the same connection.
 */
export class Branches {
  readonly #upstream: Upstream
  readonly #byUser = new Map<string, number>()
  #size = 0

  constructor(upstream: Upstream) {
    this.#upstream = upstream
  }

  /**
   * Returns undefined if there are too many, or if the upstream can't have branches.
   * @param user of the client. All clients without credentials are one user.
   */
  open(user: string): Branch | undefined {
    const own = this.#byUser.get(user) ?? 0
    if (!this.#upstream.branch || this.#size >= MAX_BRANCHES || own >= MAX_PER_USER) return undefined
    this.#count(user, 1)
    return new Branch(this.#upstream.branch(), () => this.#count(user, -1))
  }

  #count(user: string, change: 1 | -1): void {
    this.#size += change
    const own = (this.#byUser.get(user) ?? 0) + change
    if (own > 0) this.#byUser.set(user, own)
    else this.#byUser.delete(user)
  }
}

/** One more connection to the broker, which gets no messages that it publishes. */
export class Branch {
  readonly upstream: SharedUpstream
  readonly #own: Upstream
  readonly #closed: () => void

  constructor(own: Upstream, closed: () => void) {
    this.#own = own
    this.#closed = closed
    this.upstream = new SharedUpstream(own, () => {})
  }

  /** Resolves when the branch is open, or has taken too long. */
  async opened(): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, PATIENCE)
    await Promise.race([this.upstream.opened, late])
    clearTimeout(timer)
  }

  close(): void {
    this.#closed()
    this.upstream.close()
    void this.#own.close()
  }
}
