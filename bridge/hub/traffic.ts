import type { ConnectionFigures } from '../delivery/connection-stats.ts'

/** Messages and bytes, in from clients and out to them. */
export interface TrafficFigures {
  readonly inMessages: number
  readonly inBytes: number
  readonly outMessages: number
  readonly outBytes: number
}

/**
 * What a hub has carried since it was made. What goes out is counted where it is counted anyway, by each connection, and
 * summed up when somebody asks: a delivery costs nothing for it.
 */
export class Traffic {
  #inMessages = 0
  #inBytes = 0
  /** Of connections that have ended. */
  #outMessages = 0
  #outBytes = 0
  #opened = 0
  /** How many the hub has closed, by what they were told. */
  readonly closed = new Map<string, number>()

  /** Connections in all. */
  get opened(): number {
    return this.#opened
  }

  admitted(): void {
    this.#opened++
  }

  published(bytes: number): void {
    this.#inMessages++
    this.#inBytes += bytes
  }

  /** @param reason of a fixed number of texts; undefined if the client left by itself */
  ended({ outMessages, outBytes }: ConnectionFigures, reason: string | undefined): void {
    this.#outMessages += outMessages
    this.#outBytes += outBytes
    if (reason !== undefined) this.closed.set(reason, (this.closed.get(reason) ?? 0) + 1)
  }

  sum(connections: Iterable<ConnectionFigures>): TrafficFigures {
    let [outMessages, outBytes] = [this.#outMessages, this.#outBytes]
    for (const connection of connections) {
      outMessages += connection.outMessages
      outBytes += connection.outBytes
    }
    return { inMessages: this.#inMessages, inBytes: this.#inBytes, outMessages, outBytes }
  }
}
