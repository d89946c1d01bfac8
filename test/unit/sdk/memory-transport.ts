import { closedError } from '../../../sdk/transport/checks.ts'
import { StatusCell } from '../../../sdk/transport/status-cell.ts'
import type { SubscriptionHandler, Transport, TransportMessage } from '../../../sdk/transport/transport.ts'
import { matchesFilter } from '../../../sdk/wire/subject.ts'

type Message = Omit<TransportMessage, 'time'>

/** A transport that delivers its own messages synchronously, and records them. */
export interface MemoryTransport extends Transport {
  readonly published: Array<Message & { readonly headers: ReadonlyArray<readonly [string, string]> }>
  readonly subscriptions: ReadonlySet<string>
  /** Delivers a message to the matching subscriptions. */
  deliver(message: Message): void
  /** Ends all subscriptions with an error. */
  refuse(error: Error): void
}

export function createMemoryTransport(): MemoryTransport {
  const cell = new StatusCell('open')
  const handlers = new Map<{ filter: string }, SubscriptionHandler>()
  const published: MemoryTransport['published'] = []
  const transport: MemoryTransport = {
    published,
    get subscriptions() {
      return new Set([...handlers.keys()].map(({ filter }) => filter))
    },
    deliver(message) {
      for (const [{ filter }, handler] of [...handlers])
        if (matchesFilter(filter, message.subject)) handler.message({ ...message, time: Date.now() })
    },
    refuse(error) {
      for (const [key, handler] of [...handlers]) {
        handlers.delete(key)
        handler.ended(error)
      }
    },
    edge: undefined,
    get status() {
      return cell.status
    },
    onStatus: (listener) => cell.listen(listener),
    async publish(subject, payload, { headers = [], reply } = {}) {
      const message = { subject, payload, headers, ...(reply && { reply }) }
      published.push(message)
      transport.deliver(message)
    },
    subscribe(filter, handler) {
      if (cell.status.state === 'closed') throw closedError()
      const key = { filter }
      handlers.set(key, handler)
      const unsubscribe = () => void handlers.delete(key)
      return { ready: Promise.resolve(), unsubscribe, drain: async () => unsubscribe() }
    },
    request: () => Promise.reject(new Error('not supported')),
    flush: async () => {},
    drain: async () => {},
    close: async () => cell.set('closed'),
  }
  return transport
}
