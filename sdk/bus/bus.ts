import type { EventName } from '../contract/contract.ts'
import type { DataInput, DataOutput, ReplyInput, ReplyOutput } from '../contract/event.ts'
import type { ParamName, Params, ParamsFilter } from '../contract/template-types.ts'
import type { HeaderFields } from '../protocol/headers.ts'
import type { ReceivedEvent } from './received-event.ts'
import type { BusStatus } from './status.ts'

export interface PublishOptions {
  /** The event's id. Default: a new one. Use your own to publish the same event twice on purpose. */
  readonly id?: string
  /** More headers. */
  readonly headers?: HeaderFields
  /** Rejects with `aborted`; what was sent by then can't be taken back. */
  readonly signal?: AbortSignal
}

export interface RequestOptions extends PublishOptions {
  /** How long to wait for the answer, in ms. Default 5,000. */
  readonly timeout?: number
}

export interface OnOptions {
  /** Queue group: each event goes to one member of it. */
  readonly queue?: string
  /** Ends the subscription. */
  readonly signal?: AbortSignal
}

export interface SubscribeOptions extends OnOptions {
  /** Events that may wait to be read. Default 10,000; one more ends the subscription with `slow-consumer`. */
  readonly buffer?: number
}

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

/** Params come first, if the template has any. */
type WithParams<Name extends string, Rest extends unknown[]> = [ParamName<Name>] extends [never]
  ? Rest
  : [params: Params<Name>, ...rest: Rest]
type WithFilter<Name extends string, Rest extends unknown[]> = [ParamName<Name>] extends [never]
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
  /** Ends it after the events that are on their way were handled. */
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

/** Typed events over NATS subjects. */
export interface Bus<Contract> extends AsyncDisposable {
  /** The connection's status, now and later. */
  readonly status: BusStatus

  /**
   * Publishes an event: `publish(name, params, data, options?)`, without `params` if the template has none.
   * Resolves when the server has taken it.
   * @throws SpanwireError (as rejection) `unknown-event`, `invalid-params`, `invalid-data`, `invalid-header`,
   * `permission-denied`, `payload-too-large`, `rate-limited`, `offline-queue-full`, `connection-lost`,
   * `connection-closed`, `aborted`
   */
  publish<Name extends EventName<Contract>>(
    name: Name,
    ...args: WithParams<Name, [data: DataInput<Contract[Name]>, options?: PublishOptions]>
  ): Promise<void>

  /**
   * Subscribes at once: `subscribe(name, params?, options?)`. Params that are left out match everything.
   * @throws SpanwireError `unknown-event`, `invalid-params`, `invalid-subject`, `connection-closed`, `unsupported`
   */
  subscribe<Name extends EventName<Contract>>(
    name: Name,
    ...args: WithFilter<Name, [options?: SubscribeOptions]>
  ): Subscription<EventOf<Contract, Name>>

  /** Subscribes with a handler: `on(name, params?, handler, options?)`. Throws as {@link Bus.subscribe} does. */
  on<Name extends EventName<Contract>>(name: Name, handler: EventHandler<Contract, Name>, options?: OnOptions): Handle
  on<Name extends EventName<Contract>>(
    name: Name,
    params: ParamsFilter<Name>,
    handler: EventHandler<Contract, Name>,
    options?: OnOptions,
  ): Handle

  /**
   * Publishes an event and resolves with the data of the first answer.
   * @throws SpanwireError (as rejection) `no-responders`, `timeout`, `responder-failed` with what the responder said,
   * `invalid-data` for the data or the answer, and what {@link Bus.publish} throws
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

  /** Resolves when the server has processed everything sent before. */
  flush(): Promise<void>
  /** Ends all subscriptions after their events were delivered, sends what waits, then closes. */
  drain(): Promise<void>
  /** Closes for good. Idempotent. */
  close(): Promise<void>
}
