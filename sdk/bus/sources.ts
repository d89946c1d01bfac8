/** Subscriptions that need more than NATS's SUB: loaded with the first of them. */
import type { ContractEvent } from '../contract/contract.ts'
import type { Source } from '../contract/subscription-source.ts'
import { replayEvents } from '../replay/event-list.ts'
import type { SubscriptionHandler, Transport } from '../transport/transport.ts'
import { subscribeConflated } from './conflated.ts'
import { watchInterruptions } from './interruptions.ts'
import type { AttachOptions } from './subscriber.ts'

export { subscribeConflated, watchInterruptions }

/** Delivers events of a stream. With `values`: the last event of each subject, and all later ones. */
export function openReplay(
  transport: Transport,
  events: readonly ContractEvent[],
  filter: string,
  handler: SubscriptionHandler,
  options: AttachOptions,
): Source {
  const { values, onCleared } = options
  const ofValues: AttachOptions | undefined = values && {
    ...options,
    from: 'last-per-subject',
    // Missing events between two values have no effect. After `recreated` the values are not valid.
    onGap({ reason }) {
      if (reason !== 'recreated') return
      values.clear()
      onCleared?.()
    },
  }
  return replayEvents(transport, events, filter, handler, ofValues ?? options)
}
