/** Relays, declared next to the contract and typed by it. */
import type { EventOf, StreamEventName } from '../../sdk/contract/bus.ts'
import type { Codec } from '../../sdk/contract/codec.ts'
import { type ContractEvent, type Events, findEvent } from '../../sdk/contract/contract.ts'
import type { DataInput } from '../../sdk/contract/event.ts'
import type { ReceivedEvent } from '../../sdk/contract/received-event.ts'
import type { ParamName, Params, ParamsFilter } from '../../sdk/contract/template-types.ts'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { isSubject } from '../../sdk/wire/subject.ts'
import { type AllowedHeaders, allowHeaders } from './copied-headers.ts'
import type { ForeignOrigin, ForeignTarget } from './foreign.ts'
import type { ForeignMessage } from './foreign-message.ts'

/** The destination of messages that cannot be relayed: a subject of a stream, or a place of a foreign broker. */
export type RelayDeadLetter = string | ForeignTarget

/** The result for a tombstone of Kafka, which is a record without a value. See {@link IntoOptions.tombstone}. */
export type TombstoneIn<Data> = 'dead-letter' | 'ignore' | ((message: ForeignMessage) => Data)

/** Options of {@link into}. */
export interface IntoOptions<Contract, Name extends keyof Contract & string> {
  /** The topic or queue to read. */
  readonly from: ForeignOrigin
  /** Returns the params of the event, such as `{ orderId: percent.encode(message.key) }`. An error refuses the message. */
  readonly params: (message: ForeignMessage) => Params<Name>
  /** Names of headers to copy. Trace headers are always copied, `Nats-…` and `Spanwire-…` never. Default: none. */
  readonly headers?: readonly string[]
  /** The event's time: `source` is that of the foreign message, `relay` the current time. Default `source`. */
  readonly time?: 'source' | 'relay'
  /** `dead-letter` refuses tombstones, `ignore` acknowledges them, a function returns the event's data. Default `dead-letter`. */
  readonly tombstone?: TombstoneIn<DataInput<Contract[Name]>>
  /** Decodes the foreign payload. The event is encoded by its own codec. Default: the event's codec, and the bytes unchanged. */
  readonly codec?: Codec
  /** Returns an id that is the same for a redelivery. Default: the id of the broker or the publisher. */
  readonly id?: (message: ForeignMessage) => string | undefined
  /** Destination of messages that cannot be relayed. Default: none, and the lane stops at such a message. */
  readonly deadLetter?: RelayDeadLetter
  /** Messages in memory that are not stored, per process. Default 4,000. */
  readonly window?: number
  /** Bytes of payload in memory that are not stored, per process. Default 16 MiB. */
  readonly windowBytes?: number
  /** `ids` stores messages one by one with message ids. Default `batches`, and `ids` if the stream has no atomic batches. */
  readonly store?: 'batches' | 'ids'
}

/** Options of {@link outOf}. */
export interface OutOfOptions<Contract, Name extends keyof Contract & string> {
  /** The topic, exchange or queue to write to. */
  readonly to: ForeignTarget
  /** Params of the events to relay. Default: all events. */
  readonly params?: ParamsFilter<Name>
  /** Returns Kafka's key, RabbitMQ's routing key or ActiveMQ's message group. Default: none. */
  readonly key?: (event: EventOf<Contract, Name>) => Uint8Array | string | undefined
  /** Names of headers to copy. See {@link IntoOptions.headers}. */
  readonly headers?: readonly string[]
  /** Returns whether an event becomes a tombstone, which is a record without a value. Default: false. Kafka only. */
  readonly tombstone?: (event: EventOf<Contract, Name>) => boolean
  /** Encodes the foreign payload. Default: the bytes of the stream, unchanged. */
  readonly codec?: Codec
  /** Events with the same values of these params stay in order. Default: all params. */
  readonly ordered?: ParamName<Name> | ReadonlyArray<ParamName<Name>>
  /** Destination of events that cannot be relayed. Default: none, and the events behind such an event wait. */
  readonly deadLetter?: RelayDeadLetter
  /** Unconfirmed events. Default 128, at most 256. */
  readonly concurrency?: number
}

/** A relay from a foreign broker into a stream: what {@link into} returns. */
export interface InwardDefinition {
  /** Tells the two kinds of {@link RelayDefinition} apart. */
  readonly direction: 'in'
  /** The event of the contract that foreign messages become. */
  readonly event: ContractEvent
  /** The JetStream stream of the event. */
  readonly stream: string
  /** See {@link IntoOptions.from}. */
  readonly from: ForeignOrigin
  /** See {@link IntoOptions.params}. */
  readonly params: (message: ForeignMessage) => Readonly<Record<string, string>>
  /** Headers to copy. See {@link IntoOptions.headers}. */
  readonly headers: AllowedHeaders
  /** See {@link IntoOptions.time}. */
  readonly time: 'source' | 'relay'
  /** See {@link IntoOptions.tombstone}. */
  readonly tombstone: TombstoneIn<unknown>
  /** Codec of the foreign payload. Undefined: that of the event. */
  readonly codec: Codec | undefined
  /** Undefined: the id of the broker or the publisher. See {@link IntoOptions.id}. */
  readonly id: ((message: ForeignMessage) => string | undefined) | undefined
  /** Undefined: the lane stops at a message that cannot be relayed. */
  readonly deadLetter: RelayDeadLetter | undefined
  /** In messages. See {@link IntoOptions.window}. */
  readonly window: number
  /** In bytes. See {@link IntoOptions.windowBytes}. */
  readonly windowBytes: number
  /** See {@link IntoOptions.store}. */
  readonly store: 'batches' | 'ids'
}

/** A relay from a stream to a foreign broker: what {@link outOf} returns. */
export interface OutwardDefinition {
  /** Tells the two kinds of {@link RelayDefinition} apart. */
  readonly direction: 'out'
  /** The event of the contract to relay. */
  readonly event: ContractEvent
  /** The JetStream stream of the event. */
  readonly stream: string
  /** Params of the events to relay. Empty: all events. */
  readonly filter: Readonly<Record<string, string | undefined>>
  /** See {@link OutOfOptions.to}. */
  readonly to: ForeignTarget
  /** See {@link OutOfOptions.key}. */
  readonly key: (event: ReceivedEvent) => Uint8Array | string | undefined
  /** Headers to copy. See {@link OutOfOptions.headers}. */
  readonly headers: AllowedHeaders
  /** See {@link OutOfOptions.tombstone}. */
  readonly tombstone: (event: ReceivedEvent) => boolean
  /** Codec of the foreign payload. Undefined: the bytes of the stream, unchanged. */
  readonly codec: Codec | undefined
  /** Names of the params whose equal values keep events in order. */
  readonly ordered: readonly string[]
  /** Undefined: events behind one that cannot be relayed wait. */
  readonly deadLetter: RelayDeadLetter | undefined
  /** In events. See {@link OutOfOptions.concurrency}. */
  readonly concurrency: number
}

/** A relay of either direction. */
export type RelayDefinition = InwardDefinition | OutwardDefinition

/**
 * Declares a relay from a foreign topic or queue into an event of a stream.
 *
 *     into(events, 'orders.{orderId}.created', {
 *       from: shop.topic('orders'),
 *       params: ({ key }) => ({ orderId: percent.encode(key) }),
 *       deadLetter: 'dead.orders',
 *     })
 *
 * @throws SpanwireError `unknown-event`, `invalid-argument`
 */
export function into<Contract extends Events, Name extends StreamEventName<Contract>>(
  events: Contract,
  name: Name,
  options: IntoOptions<Contract, Name>,
): InwardDefinition {
  const { window = 4_000, windowBytes = 16 * 1024 * 1024, deadLetter } = options
  const event = findEvent(events, name)
  checkCount('window', window)
  checkCount('windowBytes', windowBytes)
  checkDeadLetter(deadLetter)
  return {
    direction: 'in',
    event,
    stream: streamOf(event),
    from: options.from,
    params: options.params,
    headers: allowHeaders(options.headers ?? []),
    time: options.time ?? 'source',
    tombstone: options.tombstone ?? 'dead-letter',
    codec: options.codec,
    id: options.id,
    deadLetter,
    window,
    windowBytes,
    store: options.store ?? 'batches',
  }
}

/**
 * Declares a relay from an event of a stream to a foreign topic, exchange or queue.
 *
 *     outOf(events, 'orders.{orderId}.paid', { to: shop.topic('payments'), key: (e) => e.params.orderId })
 *
 * @throws SpanwireError `unknown-event`, `invalid-argument`
 */
export function outOf<Contract extends Events, Name extends StreamEventName<Contract>>(
  events: Contract,
  name: Name,
  options: OutOfOptions<Contract, Name>,
): OutwardDefinition {
  const { concurrency = 128, deadLetter, key = () => undefined, tombstone = () => false } = options
  const event = findEvent(events, name)
  checkCount('concurrency', concurrency)
  checkDeadLetter(deadLetter)
  // The contract's types are for callers. The relay has one type of event.
  type Untyped<Call> = Call extends (event: EventOf<Contract, Name>) => infer Result
    ? (event: ReceivedEvent) => Result
    : never
  return {
    direction: 'out',
    event,
    stream: streamOf(event),
    filter: options.params ?? {},
    to: options.to,
    key: key as Untyped<typeof key>,
    headers: allowHeaders(options.headers ?? []),
    tombstone: tombstone as Untyped<typeof tombstone>,
    codec: options.codec,
    ordered: options.ordered === undefined ? Object.keys(event.template.params('')) : [options.ordered].flat(),
    deadLetter,
    concurrency,
  }
}

function streamOf({ stream, name }: ContractEvent): string {
  if (stream !== undefined) return stream
  throw new SpanwireError('invalid-argument', `No stream keeps ${name}. Name one in the contract: { stream: '…' }.`)
}

function checkCount(name: string, value: number): void {
  if (Number.isSafeInteger(value) && value > 0) return
  throw new SpanwireError('invalid-argument', `${name} is ${value}. Use a whole number from 1.`)
}

function checkDeadLetter(deadLetter: RelayDeadLetter | undefined): void {
  if (typeof deadLetter !== 'string' || isSubject(deadLetter)) return
  throw new SpanwireError(
    'invalid-argument',
    `deadLetter is ${JSON.stringify(deadLetter)}. Use a subject without wildcards.`,
  )
}
