/**
 * What a bus knows, as stores that any framework can render: `subscribe(listener)` and `getSnapshot()`. React's hooks are
 * in `spanwire/react`; Vue, Svelte and Solid need five lines, which the README has.
 */
export {
  type EventsArgs,
  type EventsOptions,
  type EventsState,
  eventsStore,
  type StreamEventsOptions,
} from './events-store.ts'
export { type HandlerOptions, type HandlerStoreArgs, handlerStore } from './handler-store.ts'
export { type LatestState, latestStore } from './latest-store.ts'
export { type PresenceState, presenceStore } from './presence-store.ts'
export { statusStore } from './status-store.ts'
export type { Store } from './store.ts'
export type { SubscriptionState } from './subscription-state.ts'
