import type { ConnectionStatus, Transport } from '../transport/transport.ts'

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
    async *[Symbol.asyncIterator]() {
      const changes = [transport.status]
      let wake = () => {}
      const end = transport.onStatus((status) => {
        changes.push(status)
        wake()
      })
      try {
        for (;;) {
          const status = changes.shift()
          if (status) {
            yield status
            if (status.state === 'closed') return undefined
          } else {
            await new Promise<void>((resolve) => {
              wake = resolve
            })
          }
        }
      } finally {
        end()
      }
    },
  }
}
