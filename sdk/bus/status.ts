import type { BusStatus } from '../contract/bus.ts'
import type { Source } from '../contract/source.ts'
import type { ConnectionStatus, Transport } from '../transport/transport.ts'
import { createEventStream } from './event-stream.ts'

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
