/**
 * The entry `spanwire/store`: data of a bus as stores with `subscribe(listener)` and `getSnapshot()`, for every UI framework.
 * `spanwire/react` has hooks. sdk/README.md has adapters of five lines for Vue, Svelte and Solid.
 */

export type { Store } from './create-store.ts'
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
export type { SubscriptionState } from './subscription-state.ts'
