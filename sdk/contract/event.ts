import { type Codec, raw } from './codec.ts'
import type { InputOf, OutputOf, StandardSchema } from './standard-schema.ts'

/** The name of a JetStream stream; `false`: none, whatever the contract's default is. */
export type StreamName = string | false | undefined

/** What may be said of an event beside its schema. */
export interface EventOptions<
  Reply extends StandardSchema | undefined = StandardSchema | undefined,
  Stream extends StreamName = StreamName,
> {
  /** Schema of the answer, for events that are requests. */
  readonly reply?: Reply
  /** How data becomes bytes, for the event and its reply. Default: JSON. */
  readonly codec?: Codec
  /**
   * The JetStream stream that keeps the event: publishing is acknowledged, subscriptions can begin in the past and
   * resume. `ensureStreams` of `spanwire/streams` makes it. `false`: none, whatever `defineEvents` says for all.
   */
  readonly stream?: Stream
}

/** An event with options: what {@link event} returns. */
export interface EventDefinition<
  Schema extends StandardSchema = StandardSchema,
  Reply extends StandardSchema | undefined = StandardSchema | undefined,
  Stream extends StreamName = StreamName,
> extends EventOptions<Reply, Stream> {
  readonly schema: Schema
}

/** One entry of a contract: a schema, or a definition that has one. */
export type EventEntry = StandardSchema | EventDefinition

type SchemaOf<Entry> = Entry extends { readonly schema: infer Schema extends StandardSchema }
  ? Schema
  : Entry extends StandardSchema
    ? Entry
    : never
type ReplyOf<Entry> = Entry extends { readonly reply?: infer Reply } ? Extract<Reply, StandardSchema> : never
/** The name of the stream that keeps an event; `never` if it has none. */
export type StreamOf<Entry> = Entry extends { readonly stream?: infer Stream } ? Extract<Stream, string> : never

/** An entry, kept by `Stream` unless it says something else. */
export type WithStream<Entry, Stream extends string> = Entry extends StandardSchema
  ? EventDefinition<Entry, undefined, Stream>
  : [Extract<Entry[keyof Entry & 'stream'], string | false>] extends [never]
    ? Omit<Entry, 'stream'> & { readonly stream: Stream }
    : Entry

/** What a publisher gives. */
export type DataInput<Entry> = InputOf<SchemaOf<Entry>>
/** What a subscriber gets. */
export type DataOutput<Entry> = OutputOf<SchemaOf<Entry>>
/** What a responder returns; anything if the event has no `reply` schema. */
export type ReplyInput<Entry> = [ReplyOf<Entry>] extends [never] ? unknown : InputOf<ReplyOf<Entry>>
/** What a requester gets; `unknown` if the event has no `reply` schema. */
export type ReplyOutput<Entry> = [ReplyOf<Entry>] extends [never] ? unknown : OutputOf<ReplyOf<Entry>>

/**
 * An event with options.
 *
 *     defineEvents({ 'quotes.{symbol}.get': event(z.object({}), { reply: z.object({ price: z.number() }) }) })
 */
export function event<
  Schema extends StandardSchema,
  Reply extends StandardSchema | undefined = undefined,
  const Stream extends StreamName = undefined,
>(schema: Schema, options?: EventOptions<Reply, Stream>): EventDefinition<Schema, Reply, NoInfer<Stream>> {
  return { ...options, schema }
}

/** An event whose data is a `Uint8Array`, sent as it is. `reply` is bytes too unless it has its own schema. */
export function bytes<const Stream extends StreamName = undefined>(options?: {
  readonly stream?: Stream
}): EventDefinition<StandardSchema<Uint8Array>, StandardSchema<Uint8Array>, NoInfer<Stream>> {
  return { ...options, schema: bytesSchema, reply: bytesSchema, codec: raw }
}

const bytesSchema: StandardSchema<Uint8Array> = {
  '~standard': {
    version: 1,
    vendor: 'spanwire',
    validate: (value) => (value instanceof Uint8Array ? { value } : { issues: [{ message: 'Expected a Uint8Array' }] }),
  },
}
