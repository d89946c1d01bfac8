import type { Bus, EventOf, IfStream, OneStream, StartFrom, WithFilter } from '../contract/bus.ts'
import type { EventName } from '../contract/contract.ts'
import { untyped, withParams } from '../contract/untyped-bus.ts'
import { SpanwireError } from '../wire/errors.ts'
import { createStore, type Store } from './create-store.ts'
import { follow, type SubscriptionState, UNKNOWN } from './subscription-state.ts'

/** Options of {@link eventsStore}. */
export interface EventsOptions {
  /** Number of events to keep: the newest. Default 100. */
  readonly limit?: number | undefined
}

/** Options of {@link eventsStore} for an event with a stream. */
export interface StreamEventsOptions extends EventsOptions {
  /** Position in the stream at which the list begins. Default `new`. */
  readonly from?: StartFrom | undefined
}

/** Arguments after the event's name: `params?, options?`, without `params` if the template has none. */
export type EventsArgs<Contract, Name extends EventName<Contract>> = WithFilter<
  Name,
  [options?: IfStream<Contract[Name], StreamEventsOptions, EventsOptions>]
>

/** Snapshot of {@link eventsStore}. */
export interface EventsState<Event> extends SubscriptionState {
  /** The newest events, the newest last. The same array until another event arrives. */
  readonly events: readonly Event[]
}

/**
 * A store with the newest events of a name, or of a list of names of one stream: `eventsStore(bus, name, params?, options?)`.
 *
 * @example
 *     const orders = eventsStore(bus, 'orders.{orderId}.created', {}, { limit: 20 })
 *     const unsubscribe = orders.subscribe(() => render(orders.getSnapshot().events))
 * @throws SpanwireError `invalid-argument` if `limit` is not a positive integer
 */
export function eventsStore<Contract, Name extends EventName<Contract>>(
  bus: Bus<Contract>,
  name: Name | (readonly Name[] & OneStream<Contract, Name>),
  ...args: EventsArgs<Contract, Name>
): Store<EventsState<EventOf<Contract, Name>>> {
  type Event = EventOf<Contract, Name>
  const [params = {}, { limit = 100, from } = {}] = withParams<[StreamEventsOptions?]>(name, args)
  if (!Number.isSafeInteger(limit) || limit < 1)
    throw new SpanwireError('invalid-argument', `limit is ${limit}: use a positive integer.`)
  const initial: EventsState<Event> = { ...UNKNOWN, events: [] }
  return createStore<EventsState<Event>>(initial, (changed) => {
    const kept: Event[] = []
    let { events } = initial
    let isNew = false
    const take = (event: Event) => {
      kept.push(event)
      // Removing events one by one would cost the length of the list for each event.
      if (kept.length >= 2 * limit) kept.splice(0, kept.length - limit)
      isNew = true
      changed()
    }
    const follower = follow((onEnd) => {
      const handle = untyped<Event>(bus).on(name, params, take, { onEnd, ...(from && { from }) })
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
}
