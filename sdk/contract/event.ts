import { isBytes } from '../kit/kinds.ts'
import { SpanwireError } from '../wire/errors.ts'
import { type Codec, raw } from './codec.ts'
import type { InputOf, OutputOf, StandardSchema } from './standard-schema.ts'
import type { UpgradeSteps } from './version-types.ts'

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

/** Version of an event, as an option of {@link event}. */
export interface VersionOptions<Version extends number = number> {
  /**
   * Version of the schema. Publishers write it into the header `Spanwire-Version` if it is more than 1. Increase it with each
   * change of the schema that does not accept the data of deployed publishers. Default 1.
   */
  readonly version?: Version
}

/** The steps from older versions, which an event with a version above 1 needs. */
export type Upgrading<Input, Version extends number> = Version extends 1
  ? { readonly upgrade?: undefined }
  : {
      /**
       * Converts the data of each older version to the next version: `{ 1: (old) => … }`. Subscribers apply the steps to
       * events that were published with an older contract, before the schema validates them.
       */
      readonly upgrade: UpgradeSteps<Input, Version>
    }

/** A definition of an event, as {@link event} returns it. */
export interface EventDefinition<
  Schema extends StandardSchema = StandardSchema,
  Reply extends StandardSchema | undefined = StandardSchema | undefined,
  Stream extends StreamName = StreamName,
> extends EventOptions<Reply, Stream> {
  /** Schema of the event's data. */
  readonly schema: Schema
  /** Version of the schema, if it is above 1. */
  readonly version?: number
  /** Converts data of each older version to the next version. */
  readonly upgrade?: UpgradeSteps
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
 *     event(z.object({ cents: z.number() }), { version: 2, upgrade: { 1: (old: { total: number }) => ({ cents: old.total * 100 }) } })
 * @throws SpanwireError `invalid-argument` for a version that is not a whole number, or without all steps of `upgrade`
 */
export function event<
  Schema extends StandardSchema,
  Reply extends StandardSchema | undefined = undefined,
  const Stream extends StreamName = undefined,
  const Version extends number = 1,
>(
  schema: Schema,
  options?: EventOptions<Reply, Stream> & VersionOptions<Version> & Upgrading<InputOf<Schema>, NoInfer<Version>>,
): EventDefinition<Schema, Reply, NoInfer<Stream>> {
  const { version = 1, upgrade, ...rest }: EventOptions<Reply, Stream> & AnyVersion = options ?? {}
  if (version === 1) return { ...rest, schema }
  checkSteps(version, upgrade)
  return { ...rest, schema, version, upgrade }
}

/** Options of every version. */
interface AnyVersion extends VersionOptions {
  readonly upgrade?: UpgradeSteps | undefined
}

function checkSteps(version: number, steps: UpgradeSteps | undefined): asserts steps is UpgradeSteps {
  if (!Number.isSafeInteger(version) || version < 1)
    throw new SpanwireError('invalid-argument', `version is ${version}. It must be a whole number from 1.`)
  for (let from = 1; from < version; from++)
    if (typeof steps?.[from] !== 'function')
      throw new SpanwireError(
        'invalid-argument',
        `An event of version ${version} needs upgrade[${from}]: a function from version ${from} to ${from + 1}.`,
      )
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
