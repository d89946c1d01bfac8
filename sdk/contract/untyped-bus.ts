import type { BatchAck, BatchEventOptions, BatchOptions } from './batch.ts'
import type {
  Bus,
  Handle,
  Latest,
  LatestOptions,
  OnOptions,
  ReplayOptions,
  RequestOptions,
  StreamAck,
  StreamHandle,
  StreamPublishOptions,
  StreamSubscription,
  SubscribeOptions,
} from './bus.ts'
import type { Events } from './contract.ts'
import type { ReceivedEvent } from './received-event.ts'
import type { Repetition } from './schedule.ts'
import type { ForgetOptions } from './stream-methods.ts'

/** Values of a template's parameters. */
export type ParamValues = Readonly<Record<string, string | undefined>>

/** Arguments after the event's name: the params come first if the template has any. */
export type WithParamValues<Rest extends unknown[]> = Rest | [params?: ParamValues | undefined, ...rest: Rest]

/** Arguments `params?, handler, options?`. */
export type HandlerArgs<Event, Options> =
  | [handler: (event: Event) => unknown, options?: Options | undefined]
  | [params: ParamValues, handler: (event: Event) => unknown, options?: Options | undefined]

/** Options of {@link UntypedMethods.publish}, for events with and without a stream, now or later. */
export interface UntypedPublishOptions extends StreamPublishOptions {
  /** See {@link ScheduleOptions}. */
  readonly at?: Date | number | undefined
  /** See {@link ScheduleOptions}. */
  readonly every?: Repetition | undefined
}

/** An event of {@link UntypedMethods.publishAll}. */
export interface UntypedBatchEvent extends BatchEventOptions {
  /** The event's name in the contract. */
  readonly name: string
  /** Values of the template's parameters. */
  readonly params?: ParamValues | undefined
  /** The data. */
  readonly data: unknown
}

/** Options of {@link UntypedMethods.on}, for events with and without a stream. */
export interface UntypedOnOptions extends OnOptions, ReplayOptions {}

/** Options of {@link UntypedMethods.subscribe}, for events with and without a stream. */
export interface UntypedSubscribeOptions extends SubscribeOptions, ReplayOptions {}

/** Options of {@link UntypedMethods.latest}. */
export interface UntypedLatestOptions extends LatestOptions {
  /** Called when the stream was recreated: the map of values is empty again. */
  readonly onCleared?: () => void
}

/** One name, or a list of names of one stream. */
export type OneOrMoreNames = string | readonly string[]

/** The methods of {@link Bus} whose types depend on the contract. */
interface UntypedMethods<Event> {
  publish(name: string, ...args: WithParamValues<[data: unknown, options?: UntypedPublishOptions]>): Promise<unknown>
  publishAll(events: readonly UntypedBatchEvent[], options?: BatchOptions): Promise<BatchAck>
  forget(name: string, ...args: WithParamValues<[options?: ForgetOptions]>): Promise<StreamAck>
  cancelSchedule(name: string, id: string): Promise<void>
  subscribe(
    name: OneOrMoreNames,
    ...args: WithParamValues<[options?: UntypedSubscribeOptions]>
  ): StreamSubscription<Event>
  on(name: OneOrMoreNames, ...args: HandlerArgs<Event, UntypedOnOptions>): StreamHandle
  latest(name: string, ...args: WithParamValues<[options?: UntypedLatestOptions]>): Latest<Event, ParamValues>
  request(name: string, ...args: WithParamValues<[data: unknown, options?: RequestOptions]>): Promise<unknown>
  respond(name: string, ...args: HandlerArgs<Event, OnOptions>): Handle
}

/**
 * {@link Bus} without its contract, for code that handles every event alike: the bus itself, stores, tracing. It has
 * exactly the members of `Bus`.
 */
export interface UntypedBus<Event = ReceivedEvent>
  extends UntypedMethods<Event>,
    Omit<Bus<Events>, keyof UntypedMethods<Event>> {}

/** Drops a bus's types. The caller states the type of its events. */
export function untyped<Event = ReceivedEvent>(bus: object): UntypedBus<Event> {
  return bus as UntypedBus<Event>
}

/** Gives a bus the types of its contract. */
export function typed<Contract>(bus: UntypedBus): Bus<Contract> {
  return bus as Bus<Contract>
}

/** Whether a template has parameters, known from its text. For a list: whether any of them has. */
export function hasParams(name: OneOrMoreNames): boolean {
  return `${name}`.includes('{')
}

/** Puts empty params in front of the arguments of an event, or of a list of events, whose template has no parameters. */
export function withParams<Rest extends unknown[]>(
  name: OneOrMoreNames,
  args: WithParamValues<Rest>,
): [params?: ParamValues | undefined, ...rest: Rest] {
  return (hasParams(name) ? args : [{}, ...args]) as [ParamValues | undefined, ...Rest]
}

/** Puts empty params in front of the arguments `handler, options?`. */
export function readHandlerArgs<Params, Handler extends (...args: never[]) => unknown, Options>(
  args: [handler: Handler, options?: Options] | [params: Params, handler: Handler, options?: Options],
): [params: Params, handler: Handler, options?: Options] {
  return (typeof args[0] === 'function' ? [{}, ...args] : args) as [Params, Handler, Options?]
}
