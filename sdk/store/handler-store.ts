import type { Bus, EventHandler, EventOf, IfStream, OneStream, ReplayOptions } from '../contract/bus.ts'
import type { EventName } from '../contract/contract.ts'
import type { ParamsFilter } from '../contract/template-types.ts'
import { type ParamValues, readHandlerArgs, untyped } from '../contract/untyped-bus.ts'
import { createStore, type Store } from './create-store.ts'
import { follow, type SubscriptionState, UNKNOWN } from './subscription-state.ts'

/** Position at which to begin, and a store for the cursor. Events without a stream have no options. */
export type HandlerOptions<Contract, Name extends EventName<Contract>> = IfStream<
  Contract[Name],
  ReplayOptions,
  undefined
>

/** Arguments after the event's name: `params?, handler, options?`. */
export type HandlerStoreArgs<Contract, Name extends EventName<Contract>> =
  | [handler: EventHandler<Contract, Name>, options?: HandlerOptions<Contract, Name>]
  | [params: ParamsFilter<Name>, handler: EventHandler<Contract, Name>, options?: HandlerOptions<Contract, Name>]

/**
 * A store that calls a handler with each event while it has a listener: `handlerStore(bus, name, params?, handler,
 * options?)`. Its snapshot is the state of the subscription. Events that arrive within 100 ms after the last listener
 * left wait for another one. If none comes, the handler is not called with them, and a `cursorStore` stays before them.
 *
 * @example
 *     const state = handlerStore(bus, 'orders.{orderId}.created', (event) => show(event.data))
 *     const unsubscribe = state.subscribe(() => state.getSnapshot().error)
 */
export function handlerStore<Contract, Name extends EventName<Contract>>(
  bus: Bus<Contract>,
  name: Name | (readonly Name[] & OneStream<Contract, Name>),
  ...args: HandlerStoreArgs<Contract, Name>
): Store<SubscriptionState> {
  type Event = EventOf<Contract, Name>
  const [params, handler, options] = readHandlerArgs<ParamValues, (event: Event) => unknown, ReplayOptions | undefined>(
    args,
  )
  return createStore<SubscriptionState>(UNKNOWN, (changed, isWatched) => {
    let held: Array<() => void> = []
    const take = (event: Event) =>
      isWatched() ? handler(event) : new Promise((resolve) => held.push(() => resolve((async () => handler(event))())))
    const follower = follow((onEnd) => {
      const handle = untyped<Event>(bus).on(name, params, take, { ...options, onEnd })
      return { past: handle.live, unsubscribe: handle.unsubscribe }
    }, changed)
    return {
      read: () => follower.state,
      resume() {
        const waiting = held
        held = []
        for (const deliver of waiting) deliver()
      },
      stop: follower.stop,
    }
  })
}
