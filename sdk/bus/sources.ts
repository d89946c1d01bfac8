/** Subscriptions that need more than NATS's SUB, and events of other versions: loaded with the first of them. */
import type { ContractEvent } from '../contract/contract.ts'
import { removalOf } from '../contract/removal.ts'
import { isSchedule } from '../contract/schedule.ts'
import type { Source, SourceMessage } from '../contract/subscription-source.ts'
import { validateVersion } from '../contract/versions.ts'
import { replayEvents } from '../replay/event-list.ts'
import type { SubscriptionHandler, Transport, TransportMessage } from '../transport/transport.ts'
import { SpanwireError } from '../wire/errors.ts'
import { subscribeConflated } from './conflated.ts'
import { watchInterruptions } from './interruptions.ts'
import { iterateLatest } from './latest-iterator.ts'
import type { AttachOptions } from './subscriber.ts'

export { iterateLatest, validateVersion, watchInterruptions }

/**
 * Delivers events of a stream, conflated ones, or those of a queue group. With `values`: the last event of each subject, and
 * all later ones. Removals are left out unless they are needed. Schedules are not events.
 * @throws SpanwireError `unsupported` for values of an event without a stream, `invalid-argument` for a list that is not valid
 */
export function openSource(
  transport: Transport,
  events: readonly ContractEvent[],
  filter: string,
  handler: SubscriptionHandler,
  options: AttachOptions,
): Source {
  const { values, onCleared, onRemoved, conflate, queue, onGap } = options
  const [event, second] = events
  if (values && !event?.stream) throw new SpanwireError('unsupported', `${event?.name} has no stream.`)
  const isHidden = (subject: string) => isSchedule(subject) && !isSchedule(filter)
  const isWanted = ({ subject, removed }: SourceMessage) => !isHidden(subject) && (!removed || values || onRemoved)
  const message = (given: SourceMessage) =>
    isWanted(given) ? handler.message(given as TransportMessage) : given.done?.()
  if (event && !second && (!event.stream || queue !== undefined)) {
    let unwatch = () => {}
    const filtered: SubscriptionHandler = {
      message: (given) => isEvent(given) && handler.message(given),
      ended(error) {
        unwatch()
        handler.ended(error)
      },
    }
    const source = conflate
      ? subscribeConflated(transport, filter, filtered)
      : transport.subscribe(filter, filtered, { queue })
    if (!onGap) return source
    unwatch = watchInterruptions(transport, source, filter, onGap)
    return {
      ready: source.ready,
      unsubscribe() {
        unwatch()
        source.unsubscribe()
      },
      drain: () => source.drain().finally(unwatch),
    }
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

/** Whether a message of NATS is an event. A message that cannot be read is one, so that `onInvalid` is called. */
function isEvent(message: TransportMessage): boolean {
  try {
    return !isSchedule(message.subject) && (message.payload.length > 0 || !removalOf(message))
  } catch {
    return true
  }
}
