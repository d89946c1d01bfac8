/** Messages that all conflated subscriptions of one connection hold while its client is behind. They have one limit. */
export class HeldMessages {
  /** Unread bytes with which a client is behind; also the most bytes that are held. */
  readonly limit: number
  readonly #changed: () => void
  // Created on first use: most clients hold nothing.
  #releases: Set<() => void> | undefined
  /** Others that hold something for this client; see {@link attach}. */
  #others: Set<{ readonly heldBytes: number }> | undefined
  #bytes = 0

  /** @param changed called when more or fewer bytes are held */
  constructor(limit: number, changed: () => void) {
    this.limit = limit
    this.#changed = changed
  }

  get bytes(): number {
    let sum = this.#bytes
    for (const { heldBytes } of this.#others ?? []) sum += heldBytes
    return sum
  }

  /** Counts what another part of the hub holds for this client. The limit does not apply to it. */
  attach(other: { readonly heldBytes: number }): void {
    this.#others ??= new Set()
    this.#others.add(other)
    this.#changed()
  }

  /** Stops counting the bytes of `other`. */
  detach(other: { readonly heldBytes: number }): void {
    if (this.#others?.delete(other)) this.#changed()
  }

  /**
   * Counts bytes of a subscription that holds messages. Beyond the limit, all subscriptions send their messages.
   * @param release sends the held messages, and calls {@link remove}
   */
  add(bytes: number, release: () => void): void {
    this.#releases ??= new Set()
    this.#releases.add(release)
    this.#bytes += bytes
    this.#changed()
    if (this.#bytes > this.limit) for (const one of [...this.#releases]) one()
  }

  /** A subscription has sent its messages. */
  remove(bytes: number, release: () => void): void {
    if (!this.#releases?.delete(release)) return
    this.#bytes -= bytes
    this.#changed()
  }

  /** The connection is closed. */
  close(): void {
    this.#releases = this.#others = undefined
    this.#bytes = 0
  }
}
