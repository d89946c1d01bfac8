/**
 * Counts what a client was sent and has not confirmed. A client confirms by answering a PING: whatever was sent before
 * it has then been read. Needs no `bufferedAmount`, which not every runtime has.
 */
export class Flow {
  /** Bytes sent since the last answered PING. */
  unconfirmed = 0
  /** Bytes sent in all. */
  total = 0
  /** Bytes that each unanswered PING will confirm, oldest first. */
  #pings: number[] = []
  #sincePing = 0

  sent(bytes: number): void {
    this.unconfirmed += bytes
    this.total += bytes
    this.#sincePing += bytes
  }

  /** Bytes sent since the last PING. */
  get sincePing(): number {
    return this.#sincePing
  }

  get unansweredPings(): number {
    return this.#pings.length
  }

  pinged(): void {
    this.#pings.push(this.#sincePing)
    this.#sincePing = 0
  }

  /** A PONG came in. One that nobody asked for confirms nothing. */
  ponged(): void {
    this.unconfirmed -= this.#pings.shift() ?? 0
  }
}
