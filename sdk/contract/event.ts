import { isBytes } from '../kit/kinds.ts'
import { type Codec, raw } from './codec.ts'
import type { InputOf, OutputOf, StandardSchema } from './standard-schema.ts'

/** Name of a JetStream stream. `false`: no stream, even if the contract has a default. */
export type StreamName = string | false | undefined

/** Options of {@link event}. */
export interface EventOptions<
  Reply extends StandardSchema | undefined = StandardSchema | undefined,
  Stream extends StreamName = StreamName,
> {
  /** Schema of the answer, for an event that is a request. */
  readonly reply?: Reply
  /** Encoding of the event and its reply. Default: JSON. */
  readonly codec?: Codec
  /**
   * Name of the JetStream stream that stores the event. Publishing is then acknowledged, and subscriptions can begin in
   * the past and resume. `ensureStreams` of `spanwire/streams` creates the stream. `false`: no stream, even if
   * `defineEvents` has a default.
   */
  readonly stream?: Stream
  /**
   * Time to live of the event, in ms, at least 1,000: its stream removes it afterwards. Rounded down to seconds. Requires
   * nats-server 2.11. A publish can set its own `ttl`. Default: the stream's `maxAge`.
   */
  readonly ttl?: number | undefined
}

/** A definition of an event, as {@link event} returns it. */
export interface EventDefinition<
  Schema extends StandardSchema = StandardSchema,
  Reply extends StandardSchema | undefined = StandardSchema | undefined,
  Stream extends StreamName = StreamName,
> extends EventOptions<Reply, Stream> {
  /** Schema of the event's data. */
  readonly schema: Schema
}

/** An entry of a contract: a schema or a definition. */
export type EventEntry = StandardSchema | EventDefinition

type SchemaOf<Entry> = Entry extends { readonly schema: infer Schema extends StandardSchema }
  ? Schema
  : Entry extends StandardSchema
    ? Entry
    : never
type ReplyOf<Entry> = Entry extends { readonly reply?: infer Reply } ? Extract<Reply, StandardSchema> : never
/** Name of an event's stream. `never` if it has none. */
export type StreamOf<Entry> = Entry extends { readonly stream?: infer Stream } ? Extract<Stream, string> : never

/** An entry with the stream `Stream`, unless it names another. */
export type WithStream<Entry, Stream extends string> = Entry extends StandardSchema
  ? EventDefinition<Entry, undefined, Stream>
  : [Extract<Entry[keyof Entry & 'stream'], string | false>] extends [never]
    ? Omit<Entry, 'stream'> & { readonly stream: Stream }
    : Entry

/** Data that a publisher passes: the schema's input. */
export type DataInput<Entry> = InputOf<SchemaOf<Entry>>
/** Data that a subscriber receives: the schema's output. */
export type DataOutput<Entry> = OutputOf<SchemaOf<Entry>>
/** Data that a responder returns. `unknown` if the event has no `reply` schema. */
export type ReplyInput<Entry> = [ReplyOf<Entry>] extends [never] ? unknown : InputOf<ReplyOf<Entry>>
/** Data that a requester receives. `unknown` if the event has no `reply` schema. */
export type ReplyOutput<Entry> = [ReplyOf<Entry>] extends [never] ? unknown : OutputOf<ReplyOf<Entry>>

/**
 * Defines an event with options.
 *
 * @example
 *     defineEvents({ 'quotes.{symbol}.get': event(z.object({}), { reply: z.object({ price: z.number() }) }) })
 */
export function event<
  Schema extends StandardSchema,
  Reply extends StandardSchema | undefined = undefined,
  const Stream extends StreamName = undefined,
>(schema: Schema, options?: EventOptions<Reply, Stream>): EventDefinition<Schema, Reply, NoInfer<Stream>> {
  return { ...options, schema }
}

/**
 * Defines an event whose data is a `Uint8Array`, sent unchanged. A reply is also bytes.
 *
 * @example
 *     defineEvents({ 'images.{id}': bytes() })
 */
export function bytes<const Stream extends StreamName = undefined>(options?: {
  readonly stream?: Stream
}): EventDefinition<StandardSchema<Uint8Array>, StandardSchema<Uint8Array>, NoInfer<Stream>> {
  return { ...options, schema: bytesSchema, reply: bytesSchema, codec: raw }
}

/**
 * Returns a schema with the type `Data` that accepts every value: types without a validator. Data that others publish is not
 * checked, so use it only where all publishers are trusted.
 *
 * @example
 *     defineEvents({ 'orders.{orderId}.created': json<{ total: number }>() })
 */
export function json<Data>(): StandardSchema<Data> {
  return { '~standard': { version: 1, vendor: 'spanwire', validate: (value) => ({ value: value as Data }) } }
}

const bytesSchema: StandardSchema<Uint8Array> = {
  '~standard': {
    version: 1,
    vendor: 'spanwire',
    validate: (value) => (isBytes(value) ? { value } : { issues: [{ message: 'Expected a Uint8Array' }] }),
  },
}
