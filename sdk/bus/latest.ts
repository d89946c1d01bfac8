import type { Latest } from '../contract/bus.ts'
import type { ContractEvent } from '../contract/contract.ts'
import type { ReceivedEvent } from '../contract/received-event.ts'
import type { ParamValues, UntypedLatestOptions } from '../contract/untyped-bus.ts'
import { createDeferred } from '../kit/deferred.ts'
import { DISPOSE } from '../kit/dispose.ts'
import { Listeners } from '../kit/listeners.ts'
import type { Faults } from './receiver.ts'
import { sources } from './receiver.ts'
import type { Subscriber } from './subscriber.ts'

/** Subscribes with `last-per-subject`, and keeps the last event of each subject. */
export function createLatest(
  { attach }: Subscriber,
  { onError }: Faults,
  event: ContractEvent,
  [params = {}, options = {}]: [params?: ParamValues | undefined, options?: UntypedLatestOptions],
): Latest<ReceivedEvent, ParamValues> {
  const values = new Map<string, ReceivedEvent>()
  const updates = new Listeners<ReceivedEvent>()
  const ended = createDeferred()
  const { live, unsubscribe } = attach(
    [event],
    params,
    { ...options, values },
    {
      push(received, { done }) {
        if (received.removed) values.delete(received.subject)
        else values.set(received.subject, received)
        updates.emit(received, onError)
        done?.()
      },
      end: () => ended.resolve(),
    },
  )
  return {
    ready: live,
    get: (of) => values.get(typeof of === 'string' ? of : event.template.subject(of)),
    values: () => values,
    subscribe: (listener, onRemoved) =>
      updates.add((update) =>
        update.removed ? onRemoved?.(update as ReceivedEvent<string, ParamValues, undefined>) : listener(update),
      ),
    unsubscribe,
    [Symbol.asyncIterator]() {
      const reading = sources((module) => module.iterateLatest(values, updates, ended.promise))
      return {
        next: async () => (await reading).next(),
        return: async () => (await reading).return(undefined),
        [Symbol.asyncIterator]() {
          return this
        },
      }
    },
    [DISPOSE]: unsubscribe,
  }
}
