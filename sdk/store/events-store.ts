import type { Bus, EventOf, IfStream, StartFrom, WithFilter } from '../contract/bus.ts'
import type { EventName } from '../contract/contract.ts'
import type { ReceivedEvent } from '../contract/received-event.ts'
import { SpanwireError } from '../wire/errors.ts'
import { createStore, type Store } from './store.ts'
import { follow, type SubscriptionState, UNKNOWN } from './subscription-state.ts'
import { readArgs, untyped } from './untyped-bus.ts'

export interface EventsOptions {
  /** How many events are kept: the newest. Default 100. */
  readonly limit?: number | undefined
}

/** Of an event with a stream. */
export interface StreamEventsOptions extends EventsOptions {
  /** Where the list begins. Default `new`. */
  readonly from?: StartFrom | undefined
}

/** What comes after the event's name: `params?, options?`, without `params` if the template has none. */
export type EventsArgs<Contract, Name extends EventName<Contract>> = WithFilter<
  Name,
  [options?: IfStream<Contract[Name], StreamEventsOptions, EventsOptions>]
>

/** The newest events. */
export interface EventsState<Event> extends SubscriptionState {
  /** In the order they came: the newest is the last. The same array until another comes. */
  readonly events: readonly Event[]
}

/**
 * The newest events of a name: `eventsStore(bus, name, params?, options?)`.
 * @throws SpanwireError `invalid-argument` if `limit` isn't a whole number from 1 on
 */
export function eventsStore<Contract, Name extends EventName<Contract>>(
  bus: Bus<Contract>,
  name: Name,
  ...args: EventsArgs<Contract, Name>
): Store<EventsState<EventOf<Contract, Name>>> {
  const [params, { limit = 100, from }] = readArgs<StreamEventsOptions>(name, args)
  if (!Number.isSafeInteger(limit) || limit < 1)
    throw new SpanwireError('invalid-argument', `limit is ${limit}: it must be a whole number from 1 on.`)
  const initial: EventsState<ReceivedEvent> = { ...UNKNOWN, events: [] }
  const store = createStore<EventsState<ReceivedEvent>>(initial, (changed) => {
    const kept: ReceivedEvent[] = []
    let { events } = initial
    let isNew = false
    const take = (event: ReceivedEvent) => {
      kept.push(event)
      // Not one by one: that would cost as much as the list is long, for each event.
      if (kept.length >= 2 * limit) kept.splice(0, kept.length - limit)
      isNew = true
      changed()
    }
    const follower = follow((onEnd) => {
      const handle = untyped(bus).on(name, params, take, { onEnd, ...(from && { from }) })
      return { past: handle.live, unsubscribe: handle.unsubscribe }
    }, changed)
    return {
      read() {
        if (isNew) events = kept.slice(-limit)
        isNew = false
        return { ...follower.state, events }
      },
      stop: follower.stop,
    }
  })
  return store as unknown as Store<EventsState<EventOf<Contract, Name>>>
}
