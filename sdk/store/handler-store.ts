import type { Bus, EventHandler, IfStream, ReplayOptions } from '../contract/bus.ts'
import type { EventName } from '../contract/contract.ts'
import type { ReceivedEvent } from '../contract/received-event.ts'
import type { ParamsFilter } from '../contract/template-types.ts'
import { createStore, type Store } from './store.ts'
import { follow, type SubscriptionState, UNKNOWN } from './subscription-state.ts'
import { untyped } from './untyped-bus.ts'

/** Where to begin, and where to keep the cursor. Events without a stream have no options. */
export type HandlerOptions<Contract, Name extends EventName<Contract>> = IfStream<
  Contract[Name],
  ReplayOptions,
  undefined
>

/**
 * Calls a handler with each event, while somebody listens to how the subscription is. What comes during the grace waits
 * for a listener: if none comes, the handler never hears of it, and a `cursorStore` stays before it.
 */
export function handlerStore<Contract, Name extends EventName<Contract>>(
  bus: Bus<Contract>,
  name: Name,
  params: ParamsFilter<Name>,
  handler: EventHandler<Contract, Name>,
  options?: HandlerOptions<Contract, Name>,
): Store<SubscriptionState> {
  const call = handler as unknown as (event: ReceivedEvent) => unknown
  return createStore<SubscriptionState>(UNKNOWN, (changed, isWatched) => {
    let held: Array<() => void> = []
    const take = (event: ReceivedEvent) =>
      isWatched() ? call(event) : new Promise((resolve) => held.push(() => resolve((async () => call(event))())))
    const follower = follow((onEnd) => {
      const handle = untyped(bus).on(name, params as Readonly<Record<string, string>>, take, { ...options, onEnd })
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
