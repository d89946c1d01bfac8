/** Subscriptions that may skip: loaded when the first is made. */

import type { SubscriptionHandler, Transport, TransportSubscription } from '../transport/transport.ts'
import { conflatedFilter } from '../wire/conflate-subject.ts'
import { SpanwireError } from '../wire/errors.ts'

/**
 * Subscribes so that a bridge keeps only the newest message of each subject while this client is behind. A plain
 * nats-server knows nothing of it, and sends everything. Begins when it is known which of them is at the other end.
 */
export function subscribeConflated(
  transport: Transport,
  filter: string,
  handler: SubscriptionHandler,
): TransportSubscription {
  const isKnown = () => transport.edge !== undefined || transport.status.state === 'closed'
  const begin = () => transport.subscribe(transport.edge ? conflatedFilter(filter) : filter, handler)
  if (isKnown()) return begin()
  const ready = Promise.withResolvers<void>()
  ready.promise.catch(() => {})
  let opened: TransportSubscription | undefined
  const stop = transport.onStatus(() => {
    if (!isKnown()) return
    stop()
    try {
      opened = begin()
      opened.ready.then(ready.resolve, ready.reject)
    } catch (error) {
      ready.reject(error)
      handler.ended(error as Error)
    }
  })
  const end = () => {
    stop()
    ready.reject(new SpanwireError('aborted', 'Ended before that.'))
  }
  return {
    ready: ready.promise,
    unsubscribe() {
      end()
      opened?.unsubscribe()
    },
    async drain() {
      await opened?.drain()
      end()
    },
  }
}
