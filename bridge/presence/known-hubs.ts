/** Time after which a silent hub counts as gone, in ms. Its members leave their channels. */
const GONE = 20_000
/**
 * Largest number of other hubs. Messages of further ones are ignored: any program with access to NATS can invent hubs,
 * and each takes memory.
 */
const MAX_HUBS = 1_000

/** Other hubs that have sent something about presence, and when. */
export class KnownHubs {
  readonly #clock: () => number
  readonly #seenAt = new Map<string, number>()

  constructor(clock: () => number) {
    this.#clock = clock
  }

  /** A hub has sent a message about a channel. Returns false if there are too many hubs. */
  add(hub: string): boolean {
    if (!this.#seenAt.has(hub) && this.#seenAt.size >= MAX_HUBS) return false
    this.#seenAt.set(hub, this.#clock())
    return true
  }

  /** A hub has published that it is alive. Ignored for hubs that have no members in channels of this hub. */
  alive(hub: string): void {
    if (this.#seenAt.has(hub)) this.#seenAt.set(hub, this.#clock())
  }

  /** Whether the hub has sent anything after `time`. */
  hasSentSince(hub: string, time: number): boolean {
    return (this.#seenAt.get(hub) ?? 0) > time
  }

  /** Forgets hubs that have been silent for too long, and returns them. */
  removeGone(): string[] {
    const oldest = this.#clock() - GONE
    const gone = [...this.#seenAt].filter(([, at]) => at < oldest).map(([hub]) => hub)
    for (const hub of gone) this.#seenAt.delete(hub)
    return gone
  }

  clear(): void {
    this.#seenAt.clear()
  }
}
