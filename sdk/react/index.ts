'use client'
/**
 * Spanwire in React, 18 or later: hooks over the stores of `spanwire/store`. Say once which contract they are typed by,
 * with {@link Register}.
 */
import { type BusHooks, createHooks } from './hooks.ts'

export { type BusHooks, type BusProviderProps, createHooks, type UsePresenceOptions } from './hooks.ts'

/**
 * Says, once for an application, which contract the hooks are typed by:
 *
 *     declare module 'spanwire/react' {
 *       interface Register {
 *         events: typeof events
 *       }
 *     }
 */
// Declared here: an interface can only be added to in the module that has it.
// biome-ignore lint/suspicious/noEmptyInterface: applications fill it in
export interface Register {}

/** What the compiler shows where nothing is registered: no event has this name. */
interface NotRegistered {
  readonly "Say which contract: declare module 'spanwire/react' { interface Register { events: typeof events } }": never
}

/** The application's contract. */
export type Registered = Register extends { readonly events: infer Contract } ? Contract : NotRegistered

const hooks: BusHooks<Registered> = createHooks<Registered>()

/** As {@link BusHooks.BusProvider}. */
export const BusProvider: BusHooks<Registered>['BusProvider'] = hooks.BusProvider
/** As {@link BusHooks.useBus}. */
export const useBus: BusHooks<Registered>['useBus'] = hooks.useBus
/** As {@link BusHooks.useEvent}. */
export const useEvent: BusHooks<Registered>['useEvent'] = hooks.useEvent
/** As {@link BusHooks.useEvents}. */
export const useEvents: BusHooks<Registered>['useEvents'] = hooks.useEvents
/** As {@link BusHooks.useLatest}. */
export const useLatest: BusHooks<Registered>['useLatest'] = hooks.useLatest
/** As {@link BusHooks.usePresence}. */
export const usePresence: BusHooks<Registered>['usePresence'] = hooks.usePresence
/** As {@link BusHooks.usePublish}. */
export const usePublish: BusHooks<Registered>['usePublish'] = hooks.usePublish
/** As {@link BusHooks.useStatus}. */
export const useStatus: BusHooks<Registered>['useStatus'] = hooks.useStatus
