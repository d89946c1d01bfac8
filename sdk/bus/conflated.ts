/** Conflated subscriptions: loaded with the first one. */

import { createDeferred } from '../kit/deferred.ts'
import type { SubscriptionHandler, Transport, TransportSubscription } from '../transport/transport.ts'
import { conflatedFilter } from '../wire/conflate-subject.ts'
import { isSpanwireError, SpanwireError } from '../wire/errors.ts'

/**
 * Subscribes so that a bridge delivers only the newest message of each subject while this client is slow. nats-server does
 * not support it, and delivers all messages. The subscription begins when the kind of server is known.
 */
export function subscribeConflated(
  transport: Transport,
  filter: string,
  handler: SubscriptionHandler,
): TransportSubscription {
  const isKnown = () => transport.edge !== undefined || transport.status.state === 'closed'
  const begin = () => transport.subscribe(transport.edge ? conflatedFilter(filter) : filter, handler)
  if (isKnown()) return begin()
  const ready = createDeferred()
  let opened: TransportSubscription | undefined
  const stop = transport.onStatus(() => {
    if (!isKnown()) return
    stop()
    try {
      opened = begin()
      opened.ready.then(ready.resolve, ready.reject)
    } catch (error) {
      ready.reject(error)
      handler.ended(
        isSpanwireError(error) ? error : new SpanwireError('connection-lost', 'Subscribing failed.', { cause: error }),
      )
    }
  })
  const end = () => {
    stop()
    ready.reject(new SpanwireError('aborted', 'The subscription ended.'))
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
