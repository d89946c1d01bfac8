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
import type { Bus, EventHandler, EventOf, ReplayOptions, StreamEventName, WithFilter } from '../contract/bus.ts'
import type { EventName } from '../contract/contract.ts'
import type { ParamsFilter } from '../contract/template-types.ts'
import { readHandlerArgs } from '../contract/untyped-bus.ts'
import type { Presence } from '../presence/presence.ts'
import { type EventsArgs, type EventsState, eventsStore } from '../store/events-store.ts'
import { type HandlerOptions, type HandlerStoreArgs, handlerStore } from '../store/handler-store.ts'
import { type LatestState, latestStore } from '../store/latest-store.ts'
import { type PresenceState, presenceStore } from '../store/presence-store.ts'
import { statusStore } from '../store/status-store.ts'
import type { Store } from '../store/store.ts'
import type { SubscriptionState } from '../store/subscription-state.ts'
import type { ConnectionStatus } from '../transport/transport.ts'
import { SpanwireError } from '../wire/errors.ts'
import { keyOf, keyOfData } from './key.ts'

export interface BusProviderProps<Contract> {
  /** What `connect` returned. It stays open: who made it closes it. Another one makes all hooks begin anew. */
  readonly bus: Bus<Contract>
  readonly children?: ReactNode
}

export interface UsePresenceOptions {
  /** This page's state in the channel. Default: it isn't in it, and only sees who is. */
  readonly join?: unknown
  /** In the channel, but seen by nobody. Default false. */
  readonly hidden?: boolean
}

/**
 * React's hooks, typed by a contract.
 *
 * They subscribe when a component is mounted, never on a server, and once under StrictMode. Params and options count by
 * what is in them, so they may be written inline; where they change, the hook subscribes anew. State changes at most once
 * a frame, however many events come. `error` says why nothing more comes, as in {@link SubscriptionState}.
 */
export interface BusHooks<Contract> {
  /** Gives a bus to the components inside. */
  BusProvider(props: BusProviderProps<Contract>): ReactElement

  /** The bus, for what is no hook: `request`, `respond`, `flush`. Throws outside of a `BusProvider`, as all of these. */
  useBus(): Bus<Contract>

  /**
   * Calls a handler with each event: `useEvent(name, params?, handler, options?)`. It is always the one of the newest
   * render, and changing it costs nothing; nor does an event make the component render. What it throws goes to the
   * bus's `onError`. For events with a stream `from`, `cursorStore` and `cursorKey` are those of `on`; give the store from
   * outside of the component.
   */
  useEvent<Name extends EventName<Contract>>(
    name: Name,
    handler: EventHandler<Contract, Name>,
    options?: HandlerOptions<Contract, Name>,
  ): SubscriptionState
  useEvent<Name extends EventName<Contract>>(
    name: Name,
    params: ParamsFilter<Name>,
    handler: EventHandler<Contract, Name>,
    options?: HandlerOptions<Contract, Name>,
  ): SubscriptionState

  /**
   * The newest events: `useEvents(name, params?, { limit = 100, from }?)`, the newest last. For events with a stream the
   * list begins at `from`; a time that is computed while rendering is another one each time, so keep it in state.
   * @throws SpanwireError `invalid-argument` if `limit` isn't a whole number from 1 on
   */
  useEvents<Name extends EventName<Contract>>(
    name: Name,
    ...args: EventsArgs<Contract, Name>
  ): EventsState<EventOf<Contract, Name>>

  /** The current value of each subject of an event with a stream, by subject: `useLatest(name, params?)`. */
  useLatest<Name extends StreamEventName<Contract>>(
    name: Name,
    ...args: WithFilter<Name, []>
  ): LatestState<EventOf<Contract, Name>>

  /**
   * Who is in a channel: `usePresence(channel, { join, hidden }?)`. With `join`, JSON up to 1,024 bytes, this page is in
   * it too, for as long as the component is mounted; another value is another state. `presence.signal` says something that
   * nobody keeps.
   */
  usePresence(channel: string, options?: UsePresenceOptions): PresenceState

  /** `publish` of the bus. The same function until the bus is another. */
  usePublish(): Bus<Contract>['publish']

  /** The connection's status, as `bus.status.current`. On a server and while hydrating: `connecting`. */
  useStatus(): ConnectionStatus
}

/**
 * Hooks with a context of their own, for an application that has several buses. Others use those that `spanwire/react`
 * exports.
 *
 *     export const { BusProvider, useEvents } = createHooks<typeof events>()
 */
export function createHooks<Contract>(): BusHooks<Contract> {
  const context = createContext<Bus<Contract> | undefined>(undefined)

  return {
    BusProvider: createProvider(context),
    useBus: () => useContextBus(context),

    useEvent<Name extends EventName<Contract>>(name: Name, ...args: HandlerStoreArgs<Contract, Name>) {
      const [params, handler, options] = readHandlerArgs<
        ParamsFilter<Name>,
        EventHandler<Contract, Name>,
        HandlerOptions<Contract, Name>
      >(args)
      const newest = useNewest(handler)
      // Of an unmounted component: it isn't done with the event, so a cursor stays before it.
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
      return useMemo<Bus<Contract>['publish']>(
        () =>
          (name, ...args) =>
            bus.publish(name, ...args),
        [bus],
      )
    },

    useStatus: () => useStore(context, statusStore),
  }
}

type BusContext<Contract> = Context<Bus<Contract> | undefined>

function createProvider<Contract>(context: BusContext<Contract>): BusHooks<Contract>['BusProvider'] {
  // React 18 has no `<Context>` as a component.
  return ({ bus, children }) => createElement(context.Provider, { value: bus }, children)
}

function useContextBus<Contract>(context: BusContext<Contract>): Bus<Contract> {
  const bus = useContext(context)
  if (!bus) throw new SpanwireError('invalid-argument', 'Put a <BusProvider bus={bus}> around this component.')
  return bus
}

/** The store that `key` stands for. Making one is free: it subscribes when the component is mounted. */
function useStore<Contract, Snapshot>(
  context: BusContext<Contract>,
  make: (bus: Bus<Contract>) => Store<Snapshot>,
  ...key: readonly unknown[]
): Snapshot {
  const bus = useContextBus(context)
  // biome-ignore lint/correctness/useExhaustiveDependencies: `key` stands for all that `make` depends on
  const store = useMemo(() => make(bus), [bus, ...key])
  return useSyncExternalStore(store.subscribe, store.getSnapshot, store.getServerSnapshot)
}

/** Is in a channel as `state`, while the component is mounted and `state` is given. Returns why it isn't. */
function useJoined(presence: Presence | undefined, state: unknown, hidden: boolean): SpanwireError | undefined {
  const [refused, setRefused] = useState<SpanwireError>()
  const isIn = presence !== undefined && state !== undefined
  const key = keyOfData(state)
  // biome-ignore lint/correctness/useExhaustiveDependencies: `key` stands for `state`, which may be written inline
  useEffect(() => {
    if (!isIn) return
    presence.join(state, { hidden }).then(() => setRefused(undefined), setRefused)
  }, [presence, isIn, key, hidden])
  // Apart from it: another state is no leaving and coming back.
  useEffect(() => {
    if (isIn) return () => void presence.leave().catch(() => {})
  }, [presence, isIn])
  return refused
}

/** The value of the newest render; undefined once the component is unmounted. */
function useNewest<Value>(value: Value): { readonly current: Value | undefined } {
  const newest = useRef<Value>(undefined)
  // Before any effect, and undone with the component itself: effects are undone later, and events come in between.
  useInsertionEffect(() => {
    newest.current = value
    return () => {
      newest.current = undefined
    }
  })
  return newest
}
