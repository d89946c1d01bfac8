/** Subscriptions that need more than NATS's SUB: loaded with the first of them. */
import type { ContractEvent } from '../contract/contract.ts'
import type { Source, SourceMessage } from '../contract/subscription-source.ts'
import { replayEvents } from '../replay/event-list.ts'
import type { SubscriptionHandler, Transport, TransportMessage } from '../transport/transport.ts'
import { subscribeConflated } from './conflated.ts'
import { watchInterruptions } from './interruptions.ts'
import { iterateLatest } from './latest-iterator.ts'
import type { AttachOptions } from './subscriber.ts'

export { iterateLatest, watchInterruptions }

/**
 * Delivers events of a stream, or conflated ones. With `values`: the last event of each subject, and all later ones.
 * Removals are left out unless they are needed.
 * @param isReplay whether they are read from the stream
 */
export function openSource(
  transport: Transport,
  events: readonly ContractEvent[],
  filter: string,
  handler: SubscriptionHandler,
  { isReplay, ...options }: AttachOptions & { readonly isReplay: unknown },
): Source {
  if (!isReplay) return subscribeConflated(transport, filter, handler)
  const { values, onCleared, onRemoved } = options
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
  const message = (given: SourceMessage) =>
    given.removed && !values && !onRemoved ? given.done?.() : handler.message(given as TransportMessage)
  return replayEvents(transport, events, filter, { ...handler, message }, ofValues ?? options)
}
