import type { Bus, EventOf, StreamEventName, WithFilter } from '../contract/bus.ts'
import { SubjectTemplate } from '../contract/template.ts'
import type { Params } from '../contract/template-types.ts'
import { hasParams, untyped } from '../contract/untyped-bus.ts'
import { createStore, type Store } from './create-store.ts'
import { follow, type SubscriptionState, UNKNOWN } from './subscription-state.ts'

/** Snapshot of {@link latestStore}. */
export interface LatestState<Event, Params = Readonly<Record<string, string>>> extends SubscriptionState {
  /** The last event of each subject, by subject. The same map until another event arrives or one is removed. */
  readonly values: ReadonlyMap<string, Event>
  /** Returns the last event of a subject, or of the params of a subject, as `get` of `bus.latest()`. */
  get(of: string | Params): Event | undefined
}

/**
 * A store with the current value of each subject of an event with a stream: `latestStore(bus, name, params?)`.
 *
 * @example
 *     const prices = latestStore(bus, 'prices.{symbol}')
 *     prices.getSnapshot().get({ symbol: 'ABC' })?.data
 */
export function latestStore<Contract, Name extends StreamEventName<Contract>>(
  bus: Bus<Contract>,
  name: Name,
  ...args: WithFilter<Name, []>
): Store<LatestState<EventOf<Contract, Name>, Params<Name>>> {
  type Event = EventOf<Contract, Name>
  type State = LatestState<Event, Params<Name>>
  const withGet = (state: Omit<State, 'get'>): State => ({
    ...state,
    get: (of) => state.values.get(typeof of === 'string' ? of : new SubjectTemplate(name).subject(of)),
  })
  const initial = withGet({ ...UNKNOWN, values: new Map() })
  return createStore<State>(initial, (changed) => {
    let current = initial.values
    let { values } = initial
    let isNew = false
    const renew = () => {
      isNew = true
      changed()
    }
    const follower = follow((onEnd) => {
      const options = { onEnd, onCleared: renew }
      const { latest } = untyped<Event>(bus)
      const view = hasParams(name) ? latest(name, args[0], options) : latest(name, options)
      current = view.values()
      view.subscribe(renew, renew)
      return { past: view.ready, unsubscribe: () => view.unsubscribe() }
    }, changed)
    return {
      read() {
        if (isNew) values = new Map(current)
        isNew = false
        return withGet({ ...follower.state, values })
      },
      stop: follower.stop,
    }
  })
}
