/** What a subscription without a stream may have missed: loaded with the first that wants to hear of it. */

import type { Gap } from '../contract/gap.ts'
import { guard } from '../kit/guard.ts'
import type { Transport, TransportSubscription } from '../transport/transport.ts'

/** Tells of each time that NATS was out of reach, once the subscription is back. Returns what ends it. */
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
