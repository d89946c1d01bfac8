/** Subscriptions that need more than NATS's SUB: loaded with the first of them. */
import type { ContractEvent } from '../contract/contract.ts'
import { removalOf } from '../contract/removal.ts'
import { isSchedule } from '../contract/schedule.ts'
import type { Source, SourceMessage } from '../contract/subscription-source.ts'
import { replayEvents } from '../replay/event-list.ts'
import type { SubscriptionHandler, Transport, TransportMessage } from '../transport/transport.ts'
import { subscribeConflated } from './conflated.ts'
import { watchInterruptions } from './interruptions.ts'
import { iterateLatest } from './latest-iterator.ts'
import type { AttachOptions } from './subscriber.ts'

export { iterateLatest, watchInterruptions }

/**
 * Delivers events of a stream, conflated ones, or those of a queue group. With `values`: the last event of each subject, and
 * all later ones. Removals are left out unless they are needed. Schedules are not events.
 * @param isReplay whether they are read from the stream
 */
export function openSource(
  transport: Transport,
  events: readonly ContractEvent[],
  filter: string,
  handler: SubscriptionHandler,
  { isReplay, ...options }: AttachOptions & { readonly isReplay: unknown },
): Source {
  const { values, onCleared, onRemoved, conflate, queue } = options
  const isWanted = ({ subject, removed }: SourceMessage) => !isSchedule(subject) && (!removed || values || onRemoved)
  const message = (given: SourceMessage) =>
    isWanted(given) ? handler.message(given as TransportMessage) : given.done?.()
  if (!isReplay) {
    // The message itself: its members are read on use.
    const direct = (given: TransportMessage) => {
      if (!isSchedule(given.subject) && (given.payload.length || !removalOf(given))) handler.message(given)
    }
    const filtered = { ...handler, message: direct }
    return conflate ? subscribeConflated(transport, filter, filtered) : transport.subscribe(filter, filtered, { queue })
  }
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
  return replayEvents(transport, events, filter, { ...handler, message }, ofValues ?? options)
}
