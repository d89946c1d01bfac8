/// <reference lib="esnext.disposable" preserve="true" />
import type { Presence, PresenceOptions } from '../presence/presence.ts'
import type { ConnectionStatus } from '../transport/transport.ts'
import type { HeaderFields } from '../wire/headers.ts'
import type { EventName } from './contract.ts'
import type { CursorStore } from './cursor-store.ts'
import type { DataInput, DataOutput, ReplyInput, ReplyOutput, StreamOf } from './event.ts'
import type { Gap } from './gap.ts'
import type { ReceivedEvent } from './received-event.ts'
import type { Schedule } from './schedule.ts'
import type { ScheduleOptions, StreamMethods } from './stream-methods.ts'
import type { ParamName, Params, ParamsFilter } from './template-types.ts'

/** Options of {@link Bus.publish}. */
export interface PublishOptions {
  /** The event's id. Default: a new one. Set it to publish the same event again on purpose. */
  readonly id?: string
  /** Headers in addition to id and time. */
  readonly headers?: HeaderFields
  /**
   * Accept headers that begin with `Nats-` or `Spanwire-`, which are commands to the server: `Nats-Rollup: all` empties a
   * stream. Default false: `publish` rejects with `invalid-header`.
   */
  readonly reservedHeaders?: boolean
  /** Rejects with `aborted`. A message that was sent before is not recalled. */
  readonly signal?: AbortSignal | undefined
}

/** JetStream's acknowledgement of a publish (ADR-22). */
export interface StreamAck {
  /** The stream that stored the event. */
  readonly stream: string
  /** Sequence of the event in the stream. The first is 1. */
  readonly seq: number
  /** The stream had stored an event with this id within its duplicate window. */
  readonly duplicate: boolean
}

/** Options of {@link Bus.publish} for an event with a stream. */
export interface StreamPublishOptions extends PublishOptions {
  /**
   * Time for all attempts together, in ms. Default 60,000. Each attempt has the same id, so that the event is stored
   * once. Keep it below the stream's duplicate window (2 min by default).
   */
  readonly timeout?: number
  /** Rejects with `wrong-last-sequence` unless the stream's last message has this sequence. 0: the stream is empty. */
  readonly expectLastSeq?: number | undefined
  /** Rejects with `wrong-last-sequence` unless the subject's last message has this sequence. 0: the subject has none. */
  readonly expectLastSubjectSeq?: number | undefined
  /**
   * Time to live, in ms, at least 1,000: the stream removes the event afterwards. Rounded down to seconds. Default: the
   * `ttl` of the event in the contract. Requires nats-server 2.11, and a stream with `ttl` (see `ensureStreams`).
   */
  readonly ttl?: number | undefined
}

/** Options of {@link Bus.request}. */
export interface RequestOptions extends PublishOptions {
  /** Time for the answer, in ms. Default 5,000. */
  readonly timeout?: number
}

/** Options of {@link Bus.on}. */
export interface OnOptions {
  /** Queue group: NATS delivers each event to one member of the group. */
  readonly queue?: string | undefined
  /**
   * Deliver only the newest event of each subject while this client is slow. A bridge then skips older events, where it
   * would otherwise close the connection of a slow consumer. Default false. Not with a queue group.
   */
  readonly conflate?: boolean | undefined
  /** Ends the subscription. */
  readonly signal?: AbortSignal | undefined
  /** Called when events are no longer available or may have been missed. Default: the `onGap` of `connect`. */
  readonly onGap?: ((gap: Gap) => void) | undefined
  /**
   * Called once if the subscription ends for any reason other than `unsubscribe`, `drain` or its signal:
   * `permission-denied` (refused, or revoked later), `stream-not-found`, `connection-closed`.
   */
  readonly onEnd?: ((error: Error) => void) | undefined
  /**
   * Called when a stream has removed the last event of a subject, by a time to live or a deletion, and keeps a marker
   * (`subject_delete_marker_ttl`, nats-server 2.11 and later). Its `data` is undefined, and `removed` is the reason.
   */
  readonly onRemoved?: ((removal: Removal) => void) | undefined
}

/** The removal of the last event of a subject. */
export type Removal<Name extends string = string, P = Readonly<Record<string, string>>> = ReceivedEvent<
  Name,
  P,
  undefined
>

/** Options of {@link Bus.subscribe}. The iterator throws the errors that `onEnd` of {@link OnOptions} reports. */
export interface SubscribeOptions extends Omit<OnOptions, 'onEnd' | 'onRemoved'> {
  /** Number of events that may wait to be read. Default 10,000. One more ends the subscription with `slow-consumer`. */
  readonly buffer?: number
}

/**
 * Position in a stream at which a subscription begins:
 *
 * - `all`: the first event of the stream
 * - `new`: the next event that is published
 * - `last`: the last event
 * - `last-per-subject`: the last event of each subject
 * - `{ last: n }`: the last n events
 * - `{ seq }`: a sequence, from 1
 * - `{ time }`: a time, as a Date or in ms since 1970
 * - `{ cursor }`: after the events that another subscription to the same event and params has handled
 */
export type StartFrom =
  | 'all'
  | 'new'
  | 'last'
  | 'last-per-subject'
  | {
      /** Number of events before the end of the stream. */
      readonly last: number
    }
  | {
      /** Sequence of the first event, from 1. */
      readonly seq: number
    }
  | {
      /** Time of the first event, as a Date or in ms since 1970. */
      readonly time: number | Date
    }
  | {
      /** `cursor` of another subscription to the same event and params. */
      readonly cursor: string
    }

/** Options of a subscription to an event with a stream, in addition to {@link OnOptions} or {@link SubscribeOptions}. */
export interface ReplayOptions {
  /** Position in the stream. Default `new`. */
  readonly from?: StartFrom | undefined
  /** Stores the cursor, so that the subscription continues after a restart. A stored cursor has priority over `from`. */
  readonly cursorStore?: CursorStore | undefined
  /** Key in the `cursorStore`. Default: the subject filter. */
  readonly cursorKey?: string | undefined
}

/** NATS serves a queue group as events are published, so a member of one has no position in the stream. */
type ReplayOrQueue<Queue> =
  | ({ readonly queue?: undefined } & ReplayOptions)
  | ({ readonly queue: Queue } & { readonly [Option in keyof ReplayOptions]?: undefined })

/** Options of {@link Bus.on} for an event with a stream. */
export type StreamOnOptions<Queue = string> = Omit<OnOptions, 'queue' | 'conflate'> & ReplayOrQueue<Queue>
/** Options of {@link Bus.subscribe} for an event with a stream. */
export type StreamSubscribeOptions<Queue = string> = Omit<SubscribeOptions, 'queue' | 'conflate'> & ReplayOrQueue<Queue>

/** Members of an event that a stream delivered. A member of a queue group gets its events from NATS, without them. */
interface Sequenced {
  /** Sequence in the stream. The first is 1. */
  readonly seq: number
  /** Whether it was delivered when it was published. False for an event from the past. */
  readonly live: boolean
}

/**
 * An event of a contract, as a subscriber receives it. For several names: a union, whose `name` discriminates.
 * @typeParam Queue the queue group. Events with a stream have no sequence in one
 */
export type EventOf<Contract, Name extends EventName<Contract>, Queue = undefined> = {
  [One in Name]: ReceivedEvent<One, Params<One>, DataOutput<Contract[One]>> &
    IfStream<Contract[One], [Queue] extends [undefined] ? Sequenced : unknown, unknown>
}[Name]

/** Handles events. An error that it throws or rejects with is passed to `onError`. The subscription continues. */
export type EventHandler<Contract, Name extends EventName<Contract>, Queue = undefined> = (
  event: EventOf<Contract, Name, Queue>,
) => unknown

/** `unknown` if all events have the same stream, else a text that no list of names is. The compiler shows it. */
export type OneStream<Contract, Name extends EventName<Contract>> = [
  { [One in Name]: [StreamOf<Contract[One]>] extends [never] ? One : never }[Name],
] extends [never]
  ? IsOne<StreamOf<Contract[Name]>> extends true
    ? unknown
    : NotOneStream
  : NotOneStream
type NotOneStream = 'A list must have events of one stream.'
type IsOne<Union, All = Union> = Union extends unknown ? ([All] extends [Union] ? true : false) : never

/** Answers requests: returns the data of the reply, or a promise of it. */
export type Responder<Contract, Name extends EventName<Contract>> = (
  event: EventOf<Contract, Name>,
) => ReplyInput<Contract[Name]> | Promise<ReplyInput<Contract[Name]>>

/** `Stream` for an event with a stream, else `Plain`. */
export type IfStream<Entry, Stream, Plain> = [StreamOf<Entry>] extends [never] ? Plain : Stream

/** Names of a contract's events with a stream. */
export type StreamEventName<Contract> = {
  [Name in EventName<Contract>]: [StreamOf<Contract[Name]>] extends [never] ? never : Name
}[EventName<Contract>]

/** A type that no string has, for the compiler's message about a name that the contract does not have. */
export type OrHint<Contract> = [Contract] extends [never]
  ? never
  : string & { readonly 'Write a name as in the contract, with its {params}. The params follow it.': never }

/**
 * Arguments after the name of an event to publish: `params, data, options?`, without `params` if the template has none. A
 * second shape, which no call has, makes the compiler state what is missing.
 */
export type WithParams<Name extends string, Values, Rest extends unknown[]> = [ParamName<Name>] extends [never]
  ? Rest
  : [params: Values & Checked<Name, Values>, ...rest: Rest] | [params: `The params of ${Name} come before the data.`]
/** Arguments after the name of an event that its stream publishes later. */
type ScheduleArgs<Contract, Name extends keyof Contract & string> = [ParamName<Name>] extends [never]
  ? [data: DataInput<Contract[Name]>, options: IfStream<Contract[Name], ScheduleOptions, never>]
  : [params: Params<Name>, data: DataInput<Contract[Name]>, options: IfStream<Contract[Name], ScheduleOptions, never>]
/** Checks params to publish with: no wildcards, and no params that the template does not have. */
type Checked<Name extends string, Values> = {
  readonly [Param in keyof Values]: Param extends ParamName<Name>
    ? Values[Param] extends '*' | '>'
      ? { readonly 'A subject to publish to has no wildcards.': never }
      : string
    : never
}
/** Arguments after the name. A filter for the params comes first if the template has any. It may be left out. */
export type WithFilter<Name extends string, Rest extends unknown[]> = [ParamName<Name>] extends [never]
  ? Rest
  : [params?: ParamsFilter<Name>, ...rest: Rest]

/** A subscription with a handler. */
export interface Handle extends Disposable {
  /**
   * Resolves once the server has registered the subscription. Events published afterwards are delivered. Rejects with
   * `permission-denied` if it is refused. You do not have to handle its rejection.
   */
  readonly ready: Promise<void>
  /** Ends the subscription immediately. Idempotent. */
  unsubscribe(): void
  /**
   * Ends the subscription after the handler was called with the events that are on their way. It does not wait for
   * promises that the handler returned.
   */
  drain(): Promise<void>
}

/**
 * A subscription as an async iterator. It begins with the call of {@link Bus.subscribe}, not with the first `next`. It
 * ends with `break`, `return`, its signal, `unsubscribe` or `drain`. The iterator throws `permission-denied`,
 * `slow-consumer` or `connection-closed` if the subscription ended for such a reason.
 */
export interface Subscription<Event> extends AsyncIterableIterator<Event, undefined>, AsyncDisposable {
  /** Resolves once the server has registered the subscription, like {@link Handle.ready}. */
  readonly ready: Promise<void>
  /** Ends the subscription immediately. Events that wait to be read are dropped. Idempotent. */
  unsubscribe(): void
  /** Ends the subscription after the events that are on their way. They can still be read. */
  drain(): Promise<void>
}

/** Additional members of a subscription to an event with a stream. */
export interface Replaying {
  /**
   * Position after the last event that the application has handled. Pass it as `from: { cursor }` to continue there. With
   * `on` an event is handled when the handler has returned or its promise is settled, in the order of the events. With an
   * iterator it is handled when the next event is requested. Undefined until the stream is known, and with a queue group.
   */
  readonly cursor: string | undefined
  /**
   * Resolves when the events before the call were delivered. Rejects as `ready` does. You do not have to handle its
   * rejection.
   */
  readonly live: Promise<void>
}
/** A subscription with a handler to an event with a stream. */
export interface StreamHandle extends Handle, Replaying {}
/** A subscription as an async iterator to an event with a stream. */
export interface StreamSubscription<Event> extends Subscription<Event>, Replaying {}

/** Options of {@link Bus.latest}. */
export type LatestOptions = Pick<OnOptions, 'signal' | 'onEnd'>

/** The current value of each subject of an event with a stream, such as for a dashboard. */
export interface Latest<Event, Params> extends AsyncIterable<Event, undefined>, Disposable {
  /** Resolves when all current values were delivered. Rejects if the subscription is refused. */
  readonly ready: Promise<void>
  /** Returns the last event of a subject, or of the params of a subject. Undefined if there is none. */
  get(of: string | Params): Event | undefined
  /**
   * Returns the last event of each subject, by subject. It is always the same map, and changes with each event and each
   * removal.
   */
  values(): ReadonlyMap<string, Event>
  /**
   * Calls `listener` with each new value, and `onRemoved` when the stream has removed the value of a subject. Returns an
   * `unsubscribe` function.
   */
  subscribe(listener: (event: Event) => void, onRemoved?: (removal: Removal<string, Params>) => void): () => void
  /** Iterates over the current values, then over every update. Removals are skipped. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Event, undefined>
  /** Ends the subscription. The values remain. Idempotent. */
  unsubscribe(): void
}

/** The status of the connection, now and over time. */
export interface BusStatus extends AsyncIterable<ConnectionStatus, undefined> {
  /** The current status. The same object until it changes. */
  readonly current: ConnectionStatus
  /** Calls `listener` on every change, not for the current status. Returns an `unsubscribe` function. */
  subscribe(listener: (status: ConnectionStatus) => void): () => void
  /** Iterates over the current status and every change. Ends after `closed`. */
  [Symbol.asyncIterator](): AsyncIterator<ConnectionStatus, undefined>
}

/** Typed events over NATS subjects. {@link connect} returns it. */
export interface Bus<Contract> extends StreamMethods<Contract>, AsyncDisposable {
  /** The status of the connection. */
  readonly status: BusStatus

  /**
   * Has the stream publish an event later, or repeatedly: options `at` or `every` of {@link Bus.publish}. The stream keeps
   * the schedule. Subscriptions that read the stream deliver the event, queue groups of NATS do not. An event with `at` has
   * the id and headers of this call, and the time `at`. Each repetition has an id of its own. A schedule with the `id` of an
   * earlier one replaces it.
   *
   * @example
   *     const reminder = await bus.publish('reminders.{userId}', { userId: '7' }, { text: 'Pay' }, { at: Date.now() + 60_000 })
   *     await reminder.cancel()
   */
  publish<Name extends keyof Contract & string>(name: Name, ...args: ScheduleArgs<Contract, Name>): Promise<Schedule>
  /**
   * Publishes an event: `publish(name, params, data, options?)`, without `params` if the template has none.
   *
   * Resolves when the server has processed the message. For an event with a stream, resolves with JetStream's
   * acknowledgement that the event is stored. Until then the event is sent again, with the same id, after timeouts and
   * lost connections.
   *
   * @example
   *     await bus.publish('orders.{orderId}.created', { orderId: '42' }, { total: 12 })
   * @throws SpanwireError (as rejection) `unknown-event`, `invalid-params`, `invalid-data`, `invalid-header`,
   * `permission-denied`, `payload-too-large`, `rate-limited`, `offline-queue-full`, `connection-lost`,
   * `connection-closed`, `aborted`. With a stream also `timeout`, `stream-not-found`, `stream-refused`,
   * `wrong-last-sequence`, but not `connection-lost`
   */
  publish<Name extends keyof Contract & string, const Values extends Params<Name> = Params<Name>>(
    name: Name | OrHint<Contract>,
    ...args: WithParams<
      Name,
      Values,
      [data: DataInput<Contract[Name]>, options?: IfStream<Contract[Name], StreamPublishOptions, PublishOptions>]
    >
  ): Promise<IfStream<Contract[Name], StreamAck, void>>

  /**
   * Subscribes with an async iterator: `subscribe(name, params?, options?)`. Params that are left out match every value.
   *
   * A subscription to an event with a stream begins at `from` and continues across disconnects with the next event. If
   * the stream has removed events in the meantime, `onGap` reports them.
   *
   * A list of names of one stream delivers the events in the order of the stream, with one cursor. `event.name`
   * discriminates them. Requires nats-server 2.10.
   *
   * @example
   *     for await (const event of bus.subscribe('orders.{orderId}.created', {}, { from: 'all' })) {
   *       console.log(event.params.orderId, event.data.total)
   *     }
   * @throws SpanwireError `unknown-event`, `invalid-params`, `invalid-subject`, `invalid-argument`, `connection-closed`,
   * `unsupported`
   */
  subscribe<Name extends keyof Contract & string, Queue extends string | undefined = undefined>(
    name: Name | OrHint<Contract> | (readonly Name[] & OneStream<Contract, Name>),
    ...args: WithFilter<Name, [options?: IfStream<Contract[Name], StreamSubscribeOptions<Queue>, SubscribeOptions>]>
  ): IfStream<
    Contract[Name],
    StreamSubscription<EventOf<Contract, Name, Queue>>,
    Subscription<EventOf<Contract, Name, Queue>>
  >

  /**
   * Subscribes with a handler: `on(name, params?, handler, options?)`. Takes a list of names, and throws the errors, of
   * {@link Bus.subscribe}.
   *
   * @example
   *     const handle = bus.on('orders.{orderId}.created', (event) => console.log(event.data.total))
   *     await handle.ready
   */
  on<Name extends keyof Contract & string, Queue extends string | undefined = undefined>(
    name: Name | OrHint<Contract> | (readonly Name[] & OneStream<Contract, Name>),
    handler: EventHandler<Contract, Name, Queue>,
    options?: IfStream<Contract[Name], StreamOnOptions<Queue>, OnOptions>,
  ): IfStream<Contract[Name], StreamHandle, Handle>
  /** Subscribes with a handler to events with these params. */
  on<Name extends keyof Contract & string, Queue extends string | undefined = undefined>(
    name: Name | OrHint<Contract> | (readonly Name[] & OneStream<Contract, Name>),
    params: ParamsFilter<Name>,
    handler: EventHandler<Contract, Name, Queue>,
    options?: IfStream<Contract[Name], StreamOnOptions<Queue>, OnOptions>,
  ): IfStream<Contract[Name], StreamHandle, Handle>

  /**
   * Keeps the current value of each subject of an event with a stream: `latest(name, params?, options?)`. Throws the
   * errors of {@link Bus.subscribe}.
   *
   * @example
   *     const prices = bus.latest('prices.{symbol}')
   *     await prices.ready
   *     prices.get({ symbol: 'ABC' })?.data
   */
  latest<Name extends StreamEventName<Contract> & keyof Contract>(
    name: Name | OrHint<Contract>,
    ...args: WithFilter<Name, [options?: LatestOptions]>
  ): Latest<EventOf<Contract, Name>, Params<Name>>

  /**
   * Publishes a request and resolves with the data of the first answer: `request(name, params, data, options?)`.
   *
   * @example
   *     const quote = await bus.request('quotes.{symbol}.get', { symbol: 'ABC' }, {})
   * @throws SpanwireError (as rejection) `no-responders`, `timeout`, `responder-failed` with the responder's message,
   * `invalid-data` for the data or the answer, `unsupported` for an event with a stream (whose acknowledgement would be
   * the first answer), and the errors of {@link Bus.publish}
   */
  request<Name extends keyof Contract & string, const Values extends Params<Name> = Params<Name>>(
    name: Name | OrHint<Contract>,
    ...args: WithParams<Name, Values, [data: DataInput<Contract[Name]>, options?: RequestOptions]>
  ): Promise<ReplyOutput<Contract[Name]>>

  /**
   * Answers requests: `respond(name, params?, handler, options?)`. Errors of the handler are passed to `onError`. The
   * requester receives `responder-failed`, with a message only if the handler threw
   * `SpanwireError('responder-failed', message)`. Events without a reply subject are ignored.
   *
   * @example
   *     bus.respond('quotes.{symbol}.get', ({ params }) => ({ price: prices[params.symbol] }))
   */
  respond<Name extends keyof Contract & string>(
    name: Name | OrHint<Contract>,
    handler: Responder<Contract, Name>,
    options?: OnOptions,
  ): Handle
  /** Answers requests with these params. */
  respond<Name extends keyof Contract & string>(
    name: Name | OrHint<Contract>,
    params: ParamsFilter<Name>,
    handler: Responder<Contract, Name>,
    options?: OnOptions,
  ): Handle

  /**
   * Opens a presence channel, such as `room.42`, across all bridges on the same NATS system. Resolves when the members
   * are known. Needs permission for the subject `$EDGE.PRESENCE.<channel>`: to subscribe for reading, to publish for
   * joining.
   *
   * @example
   *     const room = await bus.presence('room.42')
   *     await room.join({ name: 'Ada' })
   * @throws SpanwireError (as rejection) `invalid-argument`, `permission-denied`, `unsupported` without a bridge
   */
  presence(channel: string, options?: PresenceOptions): Promise<Presence>

  /** Resolves when the server has processed all messages sent before. */
  flush(): Promise<void>
  /**
   * Ends all subscriptions after their events were delivered, sends the offline queue, waits for publishes, requests and
   * answers that have begun, and closes. Do not await it inside a `respond` handler.
   */
  drain(): Promise<void>
  /** Closes the connection permanently. Idempotent. */
  close(): Promise<void>
}
