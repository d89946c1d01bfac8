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
} from './store/events-store.ts'
export { type HandlerOptions, handlerStore } from './store/handler-store.ts'
export { type LatestState, latestStore } from './store/latest-store.ts'
export { type PresenceState, presenceStore } from './store/presence-store.ts'
export { statusStore } from './store/status-store.ts'
export type { Store } from './store/store.ts'
export type { SubscriptionState } from './store/subscription-state.ts'
