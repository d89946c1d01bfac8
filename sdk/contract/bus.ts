import type { Presence, PresenceOptions } from '../presence/presence.ts'
import type { ConnectionStatus } from '../transport/transport.ts'
import type { HeaderFields } from '../wire/headers.ts'
import type { EventName } from './contract.ts'
import type { CursorStore } from './cursor-store.ts'
import type { DataInput, DataOutput, ReplyInput, ReplyOutput, StreamOf } from './event.ts'
import type { Gap } from './gap.ts'
import type { ReceivedEvent } from './received-event.ts'
import type { ParamName, Params, ParamsFilter } from './template-types.ts'

export interface PublishOptions {
  /** The event's id. Default: a new one. Use your own to publish the same event twice on purpose. */
  readonly id?: string
  /** More headers. */
  readonly headers?: HeaderFields
  /** Rejects with `aborted`; what was sent by then can't be taken back. */
  readonly signal?: AbortSignal | undefined
}

/** Where the stream keeps an event. */
export interface StreamAck {
  readonly stream: string
  /** Its place in the stream; the first is 1. */
  readonly seq: number
  /** The stream had it already: an event with this id was stored within its duplicate window. */
  readonly duplicate: boolean
}

export interface StreamPublishOptions extends PublishOptions {
  /**
   * How long to try, in ms, all attempts together. Default 60,000. Each attempt has the same id, so that none is stored
   * twice; keep it below the stream's duplicate window (2 min unless set).
   */
  readonly timeout?: number
  /** Rejects with `wrong-last-sequence` unless this is the sequence of the stream's last message (0: it has none). */
  readonly expectLastSeq?: number | undefined
  /** Rejects with `wrong-last-sequence` unless this is the sequence of the subject's last message (0: it has none). */
  readonly expectLastSubjectSeq?: number | undefined
}

export interface RequestOptions extends PublishOptions {
  /** How long to wait for the answer, in ms. Default 5,000. */
  readonly timeout?: number
}

export interface OnOptions {
  /** Queue group: each event goes to one member of it. */
  readonly queue?: string | undefined
  /**
   * Of each subject only the newest event counts: while this client is behind, a bridge skips the others, where it would
   * close the connection of a slow consumer. Default false. Not with a queue group.
   */
  readonly conflate?: boolean | undefined
  /** Ends the subscription. */
  readonly signal?: AbortSignal | undefined
  /** Hears what can't be had any more, or may have been missed. Default: that of `connect`. */
  readonly onGap?: ((gap: Gap) => void) | undefined
  /**
   * Hears, once, that the subscription ended although nobody here ended it: `permission-denied` (refused, or taken back
   * later), `stream-not-found`, `connection-closed`. Nothing more comes after it.
   */
  readonly onEnd?: ((error: Error) => void) | undefined
}

/** Its iterator throws what `onEnd` would be told. */
export interface SubscribeOptions extends Omit<OnOptions, 'onEnd'> {
  /** Events that may wait to be read. Default 10,000; one more ends the subscription with `slow-consumer`. */
  readonly buffer?: number
}

/**
 * Where a subscription to a stream begins: at the first event the stream has, with the next one to be published, at the
 * last one, at the last one of each subject, at the last `last`, at a sequence, at a time (ms since 1970), or after
 * what another subscription had.
 */
export type StartFrom =
  | 'all'
  | 'new'
  | 'last'
  | 'last-per-subject'
  | { readonly last: number }
  | { readonly seq: number }
  | { readonly time: number | Date }
  /** `cursor` of another subscription to the same event and params. */
  | { readonly cursor: string }

/** Beside those of every subscription. */
export interface ReplayOptions {
  /** Default `new`. */
  readonly from?: StartFrom | undefined
  /** Keeps the cursor: where the subscription was, it continues after a restart. What it has goes before `from`. */
  readonly cursorStore?: CursorStore | undefined
  /** Under which key. Default: the subject filter. */
  readonly cursorKey?: string | undefined
}

/** A queue group is served by NATS as things are published: it can't begin in the past. */
type ReplayOrQueue =
  | ({ readonly queue?: undefined } & ReplayOptions)
  | ({ readonly queue: string } & { readonly [Option in keyof ReplayOptions]?: undefined })

/** Options of `on` for an event with a stream. */
export type StreamOnOptions = Omit<OnOptions, 'queue' | 'conflate'> & ReplayOrQueue
/** Options of `subscribe` for an event with a stream. */
export type StreamSubscribeOptions = Omit<SubscribeOptions, 'queue' | 'conflate'> & ReplayOrQueue

/** An event of a contract as its subscribers get it. */
export type EventOf<Contract, Name extends EventName<Contract>> = ReceivedEvent<
  Name,
  Params<Name>,
  DataOutput<Contract[Name]>
>

/** Takes events. What it throws, or rejects with, goes to `onError` and ends nothing. */
export type EventHandler<Contract, Name extends EventName<Contract>> = (event: EventOf<Contract, Name>) => unknown

/** Answers requests: returns, or resolves with, the reply's data. */
export type Responder<Contract, Name extends EventName<Contract>> = (
  event: EventOf<Contract, Name>,
) => ReplyInput<Contract[Name]> | Promise<ReplyInput<Contract[Name]>>

/** `Stream` for an event that a stream keeps, else `Plain`. */
export type IfStream<Entry, Stream, Plain> = [StreamOf<Entry>] extends [never] ? Plain : Stream

/** Names of a contract's events that a stream keeps. */
export type StreamEventName<Contract> = {
  [Name in EventName<Contract>]: [StreamOf<Contract[Name]>] extends [never] ? never : Name
}[EventName<Contract>]

/** Params come first, if the template has any. */
type WithParams<Name extends string, Rest extends unknown[]> = [ParamName<Name>] extends [never]
  ? Rest
  : [params: Params<Name>, ...rest: Rest]
/** A filter for the params comes first, and may be left out, if the template has any. */
export type WithFilter<Name extends string, Rest extends unknown[]> = [ParamName<Name>] extends [never]
  ? Rest
  : [params?: ParamsFilter<Name>, ...rest: Rest]

/** A subscription with a handler. */
export interface Handle extends Disposable {
  /**
   * Resolves when NATS has the interest: whatever is published after that arrives.
   * Rejects with `permission-denied` if it is refused. Nobody needs to look at it.
   */
  readonly ready: Promise<void>
  /** Ends it at once. Idempotent. */
  unsubscribe(): void
  /** Ends it after the handler was called with the events that are on their way. A promise of it isn't waited for. */
  drain(): Promise<void>
}

/**
 * A subscription to iterate over. It begins at the call of `subscribe`, not with the first `next`, and ends with
 * `break`, `return`, its AbortSignal, `unsubscribe` or `drain`.
 * Iterating throws `permission-denied`, `slow-consumer` or `connection-closed` if it ended for such a reason.
 */
export interface Subscription<Event> extends AsyncIterableIterator<Event, undefined>, AsyncDisposable {
  /** As in {@link Handle}. */
  readonly ready: Promise<void>
  /** Ends it at once; events that wait are dropped. Idempotent. */
  unsubscribe(): void
  /** Ends it after the events that are on their way; they can still be read. */
  drain(): Promise<void>
}

/** What a subscription to an event with a stream has more. Without a stream's help (`queue`) `cursor` is undefined. */
export interface Replaying {
  /**
   * Where to continue: after the last event that the application is done with. With `on` that is when the handler
   * returned or its promise settled, in order; with an iterator, when the next one is asked for. Undefined until the
   * stream is known. Give it back as `from: { cursor }`.
   */
  readonly cursor: string | undefined
  /** Resolves when the events of the past were delivered. Rejects as `ready` does. Nobody needs to look at it. */
  readonly live: Promise<void>
}
export interface StreamHandle extends Handle, Replaying {}
export interface StreamSubscription<Event> extends Subscription<Event>, Replaying {}

/** As of `on`. */
export type LatestOptions = Pick<OnOptions, 'signal' | 'onEnd'>

/** The current value of each subject of an event with a stream: what a dashboard needs when it opens. */
export interface Latest<Event, Params> extends AsyncIterable<Event, undefined>, Disposable {
  /** Resolves when all current values are here. Rejects if the subscription is refused. Nobody needs to look at it. */
  readonly ready: Promise<void>
  /** The last event of the subject, or of the params; undefined if there is none. */
  get(of: string | Params): Event | undefined
  /** The last event of each subject, by subject. The same map always: it changes as events come. */
  values(): ReadonlyMap<string, Event>
  /** Calls `listener` with each event that replaces another or is the first of its subject. Returns what ends it. */
  subscribe(listener: (event: Event) => void): () => void
  /** The current values, then every update. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Event, undefined>
  /** Ends it; the values stay. Idempotent. */
  unsubscribe(): void
}

/** A connection's status as something to look at and to listen to. */
export interface BusStatus extends AsyncIterable<ConnectionStatus, undefined> {
  /** The status now. The same object until it changes. */
  readonly current: ConnectionStatus
  /** Calls `listener` on every change, not for the current status. Returns a function that ends it. */
  subscribe(listener: (status: ConnectionStatus) => void): () => void
  /** The current status, then every change; ends after `closed`. */
  [Symbol.asyncIterator](): AsyncIterator<ConnectionStatus, undefined>
}

/** Typed events over NATS subjects. */
export interface Bus<Contract> extends AsyncDisposable {
  /** The connection's status, now and later. */
  readonly status: BusStatus

  /**
   * Publishes an event: `publish(name, params, data, options?)`, without `params` if the template has none.
   * Resolves when the server has taken it; for an event with a stream, with JetStream's acknowledgement: it is stored.
   * Until then it is sent again, with the same id, over timeouts and lost connections.
   * @throws SpanwireError (as rejection) `unknown-event`, `invalid-params`, `invalid-data`, `invalid-header`,
   * `permission-denied`, `payload-too-large`, `rate-limited`, `offline-queue-full`, `connection-lost`,
   * `connection-closed`, `aborted`; with a stream also `timeout`, `stream-not-found`, `stream-refused`,
   * `wrong-last-sequence`, and `connection-lost` no more
   */
  publish<Name extends EventName<Contract>>(
    name: Name,
    ...args: WithParams<
      Name,
      [data: DataInput<Contract[Name]>, options?: IfStream<Contract[Name], StreamPublishOptions, PublishOptions>]
    >
  ): Promise<IfStream<Contract[Name], StreamAck, void>>

  /**
   * Subscribes at once: `subscribe(name, params?, options?)`. Params that are left out match everything.
   * A subscription to an event with a stream begins where `from` says and misses nothing afterwards: over any
   * disconnection it continues after the last event that it got, and `onGap` hears what the stream has lost meanwhile.
   * @throws SpanwireError `unknown-event`, `invalid-params`, `invalid-subject`, `connection-closed`, `unsupported`
   */
  subscribe<Name extends EventName<Contract>>(
    name: Name,
    ...args: WithFilter<Name, [options?: IfStream<Contract[Name], StreamSubscribeOptions, SubscribeOptions>]>
  ): IfStream<Contract[Name], StreamSubscription<EventOf<Contract, Name>>, Subscription<EventOf<Contract, Name>>>

  /** Subscribes with a handler: `on(name, params?, handler, options?)`. Throws as {@link Bus.subscribe} does. */
  on<Name extends EventName<Contract>>(
    name: Name,
    handler: EventHandler<Contract, Name>,
    options?: IfStream<Contract[Name], StreamOnOptions, OnOptions>,
  ): IfStream<Contract[Name], StreamHandle, Handle>
  on<Name extends EventName<Contract>>(
    name: Name,
    params: ParamsFilter<Name>,
    handler: EventHandler<Contract, Name>,
    options?: IfStream<Contract[Name], StreamOnOptions, OnOptions>,
  ): IfStream<Contract[Name], StreamHandle, Handle>

  /**
   * The current value of each subject, and its updates: `latest(name, params?, options?)`. For events with a stream.
   */
  latest<Name extends StreamEventName<Contract>>(
    name: Name,
    ...args: WithFilter<Name, [options?: LatestOptions]>
  ): Latest<EventOf<Contract, Name>, Params<Name>>

  /**
   * Publishes an event and resolves with the data of the first answer.
   * @throws SpanwireError (as rejection) `no-responders`, `timeout`, `responder-failed` with what the responder said,
   * `invalid-data` for the data or the answer, `unsupported` for an event that a stream keeps (which would answer first),
   * and what {@link Bus.publish} throws
   */
  request<Name extends EventName<Contract>>(
    name: Name,
    ...args: WithParams<Name, [data: DataInput<Contract[Name]>, options?: RequestOptions]>
  ): Promise<ReplyOutput<Contract[Name]>>

  /**
   * Answers requests: `respond(name, params?, handler, options?)`. What the handler throws goes to `onError`; the
   * requester learns that it failed, and the message only of a `SpanwireError('responder-failed', message)`.
   * Events that ask for no answer are passed over.
   */
  respond<Name extends EventName<Contract>>(name: Name, handler: Responder<Contract, Name>, options?: OnOptions): Handle
  respond<Name extends EventName<Contract>>(
    name: Name,
    params: ParamsFilter<Name>,
    handler: Responder<Contract, Name>,
    options?: OnOptions,
  ): Handle

  /**
   * Who is in a channel (a name such as `room.42`), over all bridges of a NATS, and to be there oneself. Resolves once it is
   * known who is there. Needs permission for `$EDGE.PRESENCE.<channel>`: to subscribe to see, to publish to join.
   * @throws SpanwireError (as rejection) `invalid-argument`, `permission-denied`, `unsupported` without a bridge
   */
  presence(channel: string, options?: PresenceOptions): Promise<Presence>

  /** Resolves when the server has processed everything sent before. */
  flush(): Promise<void>
  /**
   * Ends all subscriptions after their events were delivered, sends what waits, and closes when publishes, requests and
   * answers of `respond` that were begun have ended. Don't wait for it in a handler of `respond`.
   */
  drain(): Promise<void>
  /** Closes for good. Idempotent. */
  close(): Promise<void>
}
