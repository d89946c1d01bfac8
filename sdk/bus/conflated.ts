/** Subscriptions that may skip: loaded when the first is made. */
import { conflatedFilter } from '../protocol/conflation.ts'
import type { SubscriptionHandler, Transport, TransportSubscription } from '../transport/transport.ts'

/**
 * Subscribes so that a bridge keeps only the newest message of each subject while this client is behind. A plain
 * nats-server knows nothing of it, and sends everything.
 */
export async function subscribeConflated(
  transport: Transport,
  filter: string,
  handler: SubscriptionHandler,
): Promise<TransportSubscription> {
  await whenKnown(transport)
  return transport.subscribe(transport.edge ? conflatedFilter(filter) : filter, handler)
}

/** Resolves when it is known whether a bridge is at the other end, or when it never will be. */
function whenKnown(transport: Transport): Promise<void> {
  const isKnown = () => transport.edge !== undefined || transport.status.state === 'closed'
  if (isKnown()) return Promise.resolve()
  return new Promise((resolve) => {
    const stop = transport.onStatus(() => {
      if (!isKnown()) return
      stop()
      resolve()
    })
  })
}
