import type { ConnectionStats } from '../delivery/connection-stats.ts'
import type { TrafficStats } from './hub.ts'

/**
 * Messages and bytes of a hub. Each connection counts its own. They are summed up on request, so that a delivery costs no
 * additional step.
 */
export class Traffic {
  /** Traffic of connections that have ended, and of HTTP requests. */
  readonly #past = { inMessages: 0, inBytes: 0, outMessages: 0, outBytes: 0 }
  #opened = 0
  /** Connections that the hub closed, by the text of their `-ERR`. */
  readonly closed = new Map<string, number>()

  /** All connections that were opened. */
  get opened(): number {
    return this.#opened
  }

  connected(): void {
    this.#opened++
  }

  /** A message of an HTTP request. */
  published(bytes: number): void {
    this.#past.inMessages++
    this.#past.inBytes += bytes
  }

  /** @param reason one of a fixed number of texts; undefined if the client closed the connection */
  disconnected(stats: ConnectionStats, reason: string | undefined): void {
    add(this.#past, stats)
    if (reason !== undefined) this.closed.set(reason, (this.closed.get(reason) ?? 0) + 1)
  }

  sum(connections: Iterable<ConnectionStats>): TrafficStats {
    const sum = { ...this.#past }
    for (const connection of connections) add(sum, connection)
    return sum
  }
}

function add(sum: { -readonly [Name in keyof TrafficStats]: number }, stats: TrafficStats): void {
  sum.inMessages += stats.inMessages
  sum.inBytes += stats.inBytes
  sum.outMessages += stats.outMessages
  sum.outBytes += stats.outBytes
}
