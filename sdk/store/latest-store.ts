import type { Bus, EventOf, StreamEventName, WithFilter } from '../contract/bus.ts'
import type { ReceivedEvent } from '../contract/received-event.ts'
import { createStore, type Store } from './store.ts'
import { follow, type SubscriptionState, UNKNOWN } from './subscription-state.ts'
import { hasParams, readArgs, untyped } from './untyped-bus.ts'

/** The current value of each subject. */
export interface LatestState<Event> extends SubscriptionState {
  /** The last event of each subject, by subject. The same map until another event comes. */
  readonly values: ReadonlyMap<string, Event>
}

/** The current value of each subject of an event with a stream: `latestStore(bus, name, params?)`. */
export function latestStore<Contract, Name extends StreamEventName<Contract>>(
  bus: Bus<Contract>,
  name: Name,
  ...args: WithFilter<Name, []>
): Store<LatestState<EventOf<Contract, Name>>> {
  const [params] = readArgs(name, args)
  const initial: LatestState<ReceivedEvent> = { ...UNKNOWN, values: new Map() }
  const store = createStore<LatestState<ReceivedEvent>>(initial, (changed) => {
    let current: ReadonlyMap<string, ReceivedEvent> = initial.values
    let { values } = initial
    let isNew = false
    const renew = () => {
      isNew = true
      changed()
    }
    const follower = follow((onEnd) => {
      const options = { onEnd, onCleared: renew }
      const view = untyped(bus).latest(name, ...(hasParams(name) ? ([params, options] as const) : ([options] as const)))
      current = view.values()
      view.subscribe(renew)
      return { past: view.ready, unsubscribe: () => view.unsubscribe() }
    }, changed)
    return {
      read() {
        if (isNew) values = new Map(current)
        isNew = false
        return { ...follower.state, values }
      },
      stop: follower.stop,
    }
  })
  return store as unknown as Store<LatestState<EventOf<Contract, Name>>>
}
