import { SpanwireError } from '../wire/errors.ts'
import { type Codec, json } from './codec.ts'
import type { EventDefinition, EventEntry, WithStream } from './event.ts'
import type { StandardSchema } from './standard-schema.ts'
import { SubjectTemplate } from './template.ts'
import type { CheckedTemplate } from './template-types.ts'
import type { UpgradeSteps } from './version-types.ts'

/** A contract: event definitions by subject template. It is plain data. */
export type Events = { readonly [template: string]: EventEntry }

/** Names of a contract's events: its subject templates. */
export type EventName<Contract> = keyof Contract & string

/**
 * Declares the events of an application once, for publishers and subscribers.
 *
 * A key is a subject template. Its tokens are words, `{param}` for one token, and, at the end, `{rest...}` for one or
 * more tokens. A value is a schema (Standard Schema v1), or `event(schema, options)`.
 *
 * The option `{ stream: 'APP' }` names the JetStream stream of all events that name no stream themselves.
 *
 * Publishers send the data that they were given. Transforms and defaults of a schema are applied by the receiver.
 *
 * @example
 *     export const events = defineEvents({
 *       'orders.{orderId}.created': z.object({ total: z.number() }),
 *       'chat.{room}.message': event(z.object({ text: z.string() }), { stream: 'CHAT' }),
 *     })
 * @throws SpanwireError `invalid-subject` for a template that is not valid. It does not compile either
 */
export function defineEvents<const Contract extends Events, const Stream extends string | undefined = undefined>(
  events: Contract & { readonly [Template in keyof Contract & string as CheckedTemplate<Template>]: unknown },
  { stream }: { readonly stream?: Stream } = {},
): Defined<Contract, Stream> {
  const contract: Record<string, EventEntry> = stream ? {} : events
  for (const [name, entry] of Object.entries(events)) {
    new SubjectTemplate(name)
    const definition = toDefinition(entry)
    if (stream) contract[name] = { ...definition, stream: definition.stream ?? stream }
  }
  return contract as Defined<Contract, Stream>
}

/** A contract with its default stream in each definition. */
type Defined<Contract, Stream> = Stream extends string
  ? { readonly [Template in keyof Contract]: WithStream<Contract[Template], Stream> }
  : Contract

function toDefinition(entry: EventEntry): EventDefinition {
  return '~standard' in entry ? { schema: entry } : entry
}

/** An event of a contract with its parsed template. */
export interface ContractEvent {
  readonly name: string
  readonly template: SubjectTemplate
  readonly schema: StandardSchema
  readonly reply?: StandardSchema | undefined
  readonly codec: Codec
  /** Version of the schema, if it is above 1. */
  readonly version?: number | undefined
  /** Converts data of each older version to the next version. */
  readonly upgrade?: UpgradeSteps | undefined
  /** The event's JetStream stream. */
  readonly stream: string | undefined
  /** Time to live of the event, in ms. */
  readonly ttl?: number | undefined
}

/**
 * Finds an event of a contract by its name.
 * @throws SpanwireError `unknown-event`
 */
export function findEvent(contract: Events, name: string): ContractEvent {
  const entry = Object.hasOwn(contract, name) && contract[name]
  if (!entry) throw unknownEvent(name)
  return readEvent(name, entry)
}

/** The error for a name that the contract does not have. */
export function unknownEvent(name: string): SpanwireError {
  return new SpanwireError('unknown-event', `The contract has no event ${JSON.stringify(name)}.`)
}

/** Reads a definition of a contract, and parses its template. */
export function readEvent(name: string, entry: EventEntry): ContractEvent {
  const { codec = json, stream, ...rest } = toDefinition(entry)
  return { ...rest, name, template: new SubjectTemplate(name), codec, stream: stream || undefined }
}
