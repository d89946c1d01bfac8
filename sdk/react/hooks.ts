import {
  type Context,
  createContext,
  createElement,
  type ReactElement,
  type ReactNode,
  useContext,
  useEffect,
  useInsertionEffect,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
} from 'react'
import type {
  Bus,
  EventHandler,
  EventOf,
  OneStream,
  ReplayOptions,
  StreamEventName,
  WithFilter,
} from '../contract/bus.ts'
import type { EventName } from '../contract/contract.ts'
import type { Params, ParamsFilter } from '../contract/template-types.ts'
import { readHandlerArgs } from '../contract/untyped-bus.ts'
import type { Presence } from '../presence/presence.ts'
import type { Store } from '../store/create-store.ts'
import { type EventsArgs, type EventsState, eventsStore } from '../store/events-store.ts'
import { type HandlerOptions, type HandlerStoreArgs, handlerStore } from '../store/handler-store.ts'
import { type LatestState, latestStore } from '../store/latest-store.ts'
import { type PresenceState, presenceStore } from '../store/presence-store.ts'
import { statusStore } from '../store/status-store.ts'
import type { SubscriptionState } from '../store/subscription-state.ts'
import type { ConnectionStatus } from '../transport/transport.ts'
import { SpanwireError } from '../wire/errors.ts'

/** Props of {@link BusHooks.BusProvider}. */
export interface BusProviderProps<Contract> {
  /** The bus, as `connect` returned it. The provider does not close it. With another bus, all hooks subscribe again. */
  readonly bus: Bus<Contract>
  /** Components that use the hooks. */
  readonly children?: ReactNode
}

/** Options of {@link BusHooks.usePresence}. */
export interface UsePresenceOptions {
  /** State of this member. Default: the page does not join the channel. */
  readonly join?: unknown
  /** Other members do not see this member. Default false. */
  readonly hidden?: boolean
}

/**
 * React hooks with the types of a contract.
 *
 * They subscribe when a component is mounted, not on a server, and once in StrictMode. Params and options are compared by
 * their content, so they may be written inline. When they change, the hook subscribes again. State changes at most once for
 * each frame. `error` is the reason why a subscription ended, see {@link SubscriptionState}.
 */
export interface BusHooks<Contract> {
  /** Provides a bus for the components inside. */
  BusProvider(props: BusProviderProps<Contract>): ReactElement

  /**
   * Returns the bus, such as for `request`. All hooks throw outside of a `BusProvider`.
   * @throws SpanwireError `invalid-argument`
   */
  useBus(): Bus<Contract>

  /**
   * Calls a handler with each event: `useEvent(name, params?, handler, options?)`. The handler of the newest render is
   * called. A new handler causes no new subscription, and an event causes no render. Errors are passed to the bus's
   * `onError`. For events with a stream, the options are `from`, `cursorStore` and `cursorKey` of `on`. Create the store
   * outside of the component.
   *
   * @example
   *     useEvent('orders.{orderId}.created', (event) => notify(event.data.total))
   */
  useEvent<Name extends EventName<Contract>>(
    name: Name | (readonly Name[] & OneStream<Contract, Name>),
    handler: EventHandler<Contract, Name>,
    options?: HandlerOptions<Contract, Name>,
  ): SubscriptionState
  /** Calls a handler with each event with these params. */
  useEvent<Name extends EventName<Contract>>(
    name: Name | (readonly Name[] & OneStream<Contract, Name>),
    params: ParamsFilter<Name>,
    handler: EventHandler<Contract, Name>,
    options?: HandlerOptions<Contract, Name>,
  ): SubscriptionState

  /**
   * Returns the newest events: `useEvents(name, params?, { limit = 100, from }?)`, the newest last. For events with a stream
   * the list begins at `from`. Keep a computed time in state: a new time in each render would subscribe again.
   *
   * @example
   *     const { events, error } = useEvents('orders.{orderId}.created', {}, { limit: 20 })
   * @throws SpanwireError `invalid-argument` if `limit` is not a positive integer
   */
  useEvents<Name extends EventName<Contract>>(
    name: Name | (readonly Name[] & OneStream<Contract, Name>),
    ...args: EventsArgs<Contract, Name>
  ): EventsState<EventOf<Contract, Name>>

  /**
   * Returns the current value of each subject of an event with a stream, by subject: `useLatest(name, params?)`.
   *
   * @example
   *     const { values, get } = useLatest('prices.{symbol}')
   *     get({ symbol: 'ABC' })?.data
   */
  useLatest<Name extends StreamEventName<Contract>>(
    name: Name,
    ...args: WithFilter<Name, []>
  ): LatestState<EventOf<Contract, Name>, Params<Name>>

  /**
   * Returns the members of a presence channel: `usePresence(channel, { join, hidden }?)`. With `join`, JSON of at most 1,024
   * bytes, the page is a member while the component is mounted. Another value changes the state.
   *
   * @example
   *     const { members } = usePresence('room.42', { join: { name: 'Ada' } })
   */
  usePresence(channel: string, options?: UsePresenceOptions): PresenceState

  /** Returns `publish` of the bus. It is the same function until the bus changes. */
  usePublish(): Bus<Contract>['publish']

  /** Returns the status of the connection. On a server and during hydration: `connecting`. */
  useStatus(): ConnectionStatus
}

/**
 * Creates hooks with their own context, for an application with several buses. Other applications use the hooks that
 * `spanwire/react` exports.
 *
 * @example
 *     export const { BusProvider, useEvents } = createHooks<typeof events>()
 */
export function createHooks<Contract>(): BusHooks<Contract> {
  const context = createContext<Bus<Contract> | undefined>(undefined)

  return {
    BusProvider: createProvider(context),
    useBus: () => useContextBus(context),

    useEvent<Name extends EventName<Contract>>(
      name: Name | (readonly Name[] & OneStream<Contract, Name>),
      ...args: HandlerStoreArgs<Contract, Name>
    ) {
      const [params, handler, options] = readHandlerArgs<
        ParamsFilter<Name>,
        EventHandler<Contract, Name>,
        HandlerOptions<Contract, Name>
      >(args)
      const newest = useNewest(handler)
      // An unmounted component does not handle the event, so a cursor stays before it.
      const call: typeof handler = (event) => (newest.current ? newest.current(event) : new Promise(() => {}))
      const { cursorStore, ...rest }: ReplayOptions = options ?? {}
      const key = keyOf(name, params, rest)
      return useStore(context, (bus) => handlerStore(bus, name, params, call, options), key, cursorStore)
    },

    useEvents: (name, ...args) => useStore(context, (bus) => eventsStore(bus, name, ...args), keyOf(name, ...args)),
    useLatest: (name, ...args) => useStore(context, (bus) => latestStore(bus, name, ...args), keyOf(name, ...args)),

    usePresence(channel, { join, hidden = false } = {}) {
      const state = useStore(context, (bus) => presenceStore(bus, channel), channel)
      const refused = useJoined(state.presence, join, hidden)
      return useMemo(() => (refused ? { ...state, error: state.error ?? refused } : state), [state, refused])
    },

    usePublish() {
      const bus = useContextBus(context)
      return useMemo(() => bus.publish.bind(bus), [bus])
    },

    useStatus: () => useStore(context, statusStore),
  }
}

type BusContext<Contract> = Context<Bus<Contract> | undefined>

function createProvider<Contract>(context: BusContext<Contract>): BusHooks<Contract>['BusProvider'] {
  // In React 18 a context is not a component.
  return ({ bus, children }) => createElement(context.Provider, { value: bus }, children)
}

function useContextBus<Contract>(context: BusContext<Contract>): Bus<Contract> {
  const bus = useContext(context)
  if (!bus)
    throw new SpanwireError('invalid-argument', 'This component has no bus: put a <BusProvider bus={bus}> around it.')
  return bus
}

/** Returns the snapshot of a store. The store is created again when `key` changes, and subscribes when it is mounted. */
function useStore<Contract, Snapshot>(
  context: BusContext<Contract>,
  make: (bus: Bus<Contract>) => Store<Snapshot>,
  ...key: readonly unknown[]
): Snapshot {
  const bus = useContextBus(context)
  // biome-ignore lint/correctness/useExhaustiveDependencies: `key` contains the dependencies of `make`
  const store = useMemo(() => make(bus), [bus, ...key])
  return useSyncExternalStore(store.subscribe, store.getSnapshot, store.getServerSnapshot)
}

/** Joins a channel while the component is mounted and `state` is defined. Returns the error of the join. */
function useJoined(presence: Presence | undefined, state: unknown, hidden: boolean): SpanwireError | undefined {
  const [refused, setRefused] = useState<SpanwireError>()
  const isIn = presence !== undefined && state !== undefined
  const key = keyOfData(state)
  // biome-ignore lint/correctness/useExhaustiveDependencies: `key` is the content of `state`, which may be written inline
  useEffect(() => {
    if (!isIn) return
    presence.join(state, { hidden }).then(() => setRefused(undefined), setRefused)
  }, [presence, isIn, key, hidden])
  // A separate effect: a change of the state must not leave the channel.
  useEffect(() => {
    if (isIn) return () => void presence.leave().catch(() => {})
  }, [presence, isIn])
  return refused
}

/** Returns the value of the newest render. Undefined after the component was unmounted. */
function useNewest<Value>(value: Value): { readonly current: Value | undefined } {
  const newest = useRef<Value>(undefined)
  // An insertion effect is cleaned up before other effects: events may arrive in between.
  useInsertionEffect(() => {
    newest.current = value
    return () => {
      newest.current = undefined
    }
  })
  return newest
}

/**
 * Returns equal text for arguments with equal content. Params that are left out, undefined or `*` are equal, and the order
 * of fields has no effect.
 */
function keyOf(...args: readonly unknown[]): string {
  return toJson(args, (value) => value !== '*')
}

/** Returns equal text for data with equal content. */
function keyOfData(data: unknown): string {
  return toJson([data], () => true)
}

function toJson(args: readonly unknown[], isRelevant: (value: unknown) => boolean): string {
  return JSON.stringify(args, (_, value) => (isPlainObject(value) ? sortFields(value, isRelevant) : value))
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function sortFields(fields: Record<string, unknown>, isRelevant: (value: unknown) => boolean): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields)
      .filter(([, value]) => isRelevant(value))
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  )
}
