import type { Source } from '../contract/source.ts'
import type { ConnectionStatus, Transport } from '../transport/transport.ts'
import { createEventStream } from './event-stream.ts'

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
    [Symbol.asyncIterator]: () =>
      createEventStream<ConnectionStatus>(({ push, end }) => {
        const follow = (status: ConnectionStatus) => {
          push(status)
          if (status.state === 'closed') end()
        }
        const unsubscribe = transport.onStatus(follow)
        follow(transport.status)
        return [{} as Source, unsubscribe, async () => unsubscribe()]
      }),
  }
}
