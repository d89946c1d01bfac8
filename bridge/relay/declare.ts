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

/** A place for messages that cannot be relayed: a subject that a stream keeps, or a place of a foreign broker. */
export type RelayDeadLetter = string | ForeignTarget

/** What a tombstone of Kafka (a message without a value) becomes. */
export type TombstoneIn<Data> = 'dead-letter' | 'ignore' | ((message: ForeignMessage) => Data)

/** Options of {@link into}. */
export interface IntoOptions<Contract, Name extends keyof Contract & string> {
  /** The topic or queue to read. */
  readonly from: ForeignOrigin
  /** The params of the event, such as `{ orderId: percent.encode(message.key) }`. What it throws refuses the message. */
  readonly params: (message: ForeignMessage) => Params<Name>
  /** Names of the headers that are copied. Trace headers always are; `Nats-…` and `Spanwire-…` never. Default: none. */
  readonly headers?: readonly string[]
  /** The event's time: of the foreign message (the default), or of its relaying. */
  readonly time?: 'source' | 'relay'
  /** Default `dead-letter`: it is refused. `ignore`: it is done with. A function: the event's data for it. */
  readonly tombstone?: TombstoneIn<DataInput<Contract[Name]>>
  /** How the foreign payload is decoded, if that is not the event's codec. The event is encoded by the event's codec. */
  readonly codec?: Codec
  /** An id that stays the same for a repetition. Default: the id of the broker or the publisher. */
  readonly id?: (message: ForeignMessage) => string | undefined
  /** Where messages go that cannot become the event. Default: none, and the lane stops at such a message. */
  readonly deadLetter?: RelayDeadLetter
  /** Messages that are held without being stored, per process. Default 2,000. */
  readonly window?: number
  /** Bytes of payload that are held without being stored, per process. Default 16 MiB. */
  readonly windowBytes?: number
  /** `ids`: messages are stored one by one with message ids, even where the stream can store batches. Default `batches`. */
  readonly store?: 'batches' | 'ids'
}

/** Options of {@link outOf}. */
export interface OutOfOptions<Contract, Name extends keyof Contract & string> {
  /** The topic, exchange or queue to write to. */
  readonly to: ForeignTarget
  /** Only these events. Default: all. */
  readonly params?: ParamsFilter<Name>
  /** Kafka's key, RabbitMQ's routing key. Default: none. */
  readonly key?: (event: EventOf<Contract, Name>) => Uint8Array | string | undefined
  /** Names of the headers that are copied. See {@link IntoOptions.headers}. */
  readonly headers?: readonly string[]
  /** Whether an event becomes a tombstone: a message without a value. Default: none does. Kafka only. */
  readonly tombstone?: (event: EventOf<Contract, Name>) => boolean
  /** How the foreign payload is encoded, if that is not the event's codec. */
  readonly codec?: Codec
  /** Events with the same values of these params stay in order. Default: all params. */
  readonly ordered?: ParamName<Name> | ReadonlyArray<ParamName<Name>>
  /** Where events go that cannot be relayed. Default: none, and the events behind such an event wait. */
  readonly deadLetter?: RelayDeadLetter
  /** Events that are sent at a time. Default 128, at most 256. */
  readonly concurrency?: number
}

/** A relay from a foreign broker into a stream: what {@link into} returns. */
export interface InwardDefinition {
  readonly direction: 'in'
  readonly event: ContractEvent
  readonly stream: string
  readonly from: ForeignOrigin
  readonly params: (message: ForeignMessage) => Readonly<Record<string, string>>
  readonly headers: AllowedHeaders
  readonly time: 'source' | 'relay'
  readonly tombstone: TombstoneIn<unknown>
  readonly codec: Codec | undefined
  readonly id: ((message: ForeignMessage) => string | undefined) | undefined
  readonly deadLetter: RelayDeadLetter | undefined
  readonly window: number
  readonly windowBytes: number
  readonly store: 'batches' | 'ids'
}

/** A relay from a stream to a foreign broker: what {@link outOf} returns. */
export interface OutwardDefinition {
  readonly direction: 'out'
  readonly event: ContractEvent
  readonly stream: string
  readonly filter: Readonly<Record<string, string | undefined>>
  readonly to: ForeignTarget
  readonly key: (event: ReceivedEvent) => Uint8Array | string | undefined
  readonly headers: AllowedHeaders
  readonly tombstone: (event: ReceivedEvent) => boolean
  readonly codec: Codec | undefined
  readonly ordered: readonly string[]
  readonly deadLetter: RelayDeadLetter | undefined
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
  const { window = 2_000, windowBytes = 16 * 1024 * 1024, deadLetter } = options
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
  // The contract's types are the caller's: inside there is one kind of event.
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
