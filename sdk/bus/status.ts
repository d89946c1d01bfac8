import type { ConnectionStatus, Transport } from '../transport/transport.ts'
import { EventStream } from './event-stream.ts'

/** A connection's status as something to look at and to listen to. */
export interface BusStatus extends AsyncIterable<ConnectionStatus, undefined> {
  /** The status now. The same object until it changes. */
  readonly current: ConnectionStatus
  /** Calls `listener` on every change, not for the current status. Returns a function that ends it. */
  subscribe(listener: (status: ConnectionStatus) => void): () => void
  /** The current status, then every change; ends after `closed`. */
  [Symbol.asyncIterator](): AsyncIterator<ConnectionStatus, undefined>
}

export function createStatus(transport: Transport): BusStatus {
  return {
    get current() {
      return transport.status
    },
    subscribe: (listener) => transport.onStatus(listener),
    [Symbol.asyncIterator]() {
      const stream = new EventStream<ConnectionStatus>(() => {
        const unsubscribe = transport.onStatus(follow)
        return { ready: Promise.resolve(), unsubscribe, drain: async () => unsubscribe() }
      })
      function follow(status: ConnectionStatus): void {
        stream.push(status)
        if (status.state === 'closed') stream.end()
      }
      follow(transport.status)
      return stream
    },
  }
}
