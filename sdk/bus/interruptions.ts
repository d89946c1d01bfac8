/** Gaps of subscriptions without a stream: loaded with the first one that has `onGap`. */

import type { Gap } from '../contract/gap.ts'
import { guard } from '../kit/guard.ts'
import type { Transport, TransportSubscription } from '../transport/transport.ts'

/** Calls `onGap` after each interruption, once the subscription is restored. Returns a function that ends it. */
export function watchInterruptions(
  transport: Transport,
  { ready }: TransportSubscription,
  subject: string,
  onGap: (gap: Gap) => void,
): () => void {
  let wasReady = false
  let since: number | undefined
  ready.then(
    () => {
      wasReady = true
    },
    () => {},
  )
  return transport.onStatus(({ state }) => {
    if (state !== 'open') {
      if (wasReady) since ??= Date.now()
    } else if (since !== undefined) {
      const gap = { reason: 'disconnected', stream: undefined, subject, ranges: [], since } as const
      since = undefined
      guard(onGap, (error) => console.error('spanwire: onGap threw', error), [gap])
    }
  })
}
