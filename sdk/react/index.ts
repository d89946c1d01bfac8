'use client'
/**
 * The entry `spanwire/react`: hooks for React 18 and later. {@link Register} declares the contract that types them.
 */
import { type BusHooks, createHooks } from './hooks.ts'

export { type BusHooks, type BusProviderProps, createHooks, type UsePresenceOptions } from './hooks.ts'

/**
 * Declares the contract that types the hooks, once for an application.
 *
 * @example
 *     declare module 'spanwire/react' {
 *       interface Register {
 *         events: typeof events
 *       }
 *     }
 */
// Declared here: an interface can only be augmented in its module.
// biome-ignore lint/suspicious/noEmptyInterface: applications augment it
export interface Register {}

/** The contract without a declaration. The compiler shows the name of its only event. */
interface NotRegistered {
  readonly "Declare the contract: declare module 'spanwire/react' { interface Register { events: typeof events } }": never
}

/** The contract of the application. */
export type Registered = Register extends { readonly events: infer Contract } ? Contract : NotRegistered

const hooks: BusHooks<Registered> = createHooks<Registered>()

/** See {@link BusHooks.BusProvider}. */
export const BusProvider: BusHooks<Registered>['BusProvider'] = hooks.BusProvider
/** See {@link BusHooks.useBus}. */
export const useBus: BusHooks<Registered>['useBus'] = hooks.useBus
/** See {@link BusHooks.useEvent}. */
export const useEvent: BusHooks<Registered>['useEvent'] = hooks.useEvent
/** See {@link BusHooks.useEvents}. */
export const useEvents: BusHooks<Registered>['useEvents'] = hooks.useEvents
/** See {@link BusHooks.useLatest}. */
export const useLatest: BusHooks<Registered>['useLatest'] = hooks.useLatest
/** See {@link BusHooks.usePresence}. */
export const usePresence: BusHooks<Registered>['usePresence'] = hooks.usePresence
/** See {@link BusHooks.usePublish}. */
export const usePublish: BusHooks<Registered>['usePublish'] = hooks.usePublish
/** See {@link BusHooks.useStatus}. */
export const useStatus: BusHooks<Registered>['useStatus'] = hooks.useStatus
