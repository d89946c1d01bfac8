import { SpanwireError } from '../wire/errors.ts'
import { type Codec, json } from './codec.ts'
import type { EventDefinition, EventEntry, WithStream } from './event.ts'
import type { StandardSchema } from './standard-schema.ts'
import { SubjectTemplate } from './template.ts'
import type { CheckedTemplate } from './template-types.ts'

/** A contract: entries by their subject templates. It is plain data. */
export type Events = { readonly [template: string]: EventEntry }

/** Names of a contract's events: its subject templates. */
export type EventName<Contract> = keyof Contract & string

/**
 * Declares events once, for publishers and subscribers: subject template → schema, or `event(schema, options)`.
 * A template's tokens are words, `{param}`, which stands for one token, or at the end `{rest...}`, for one or more.
 *
 *     export const events = defineEvents({
 *       'orders.{orderId}.created': z.object({ total: z.number() }),
 *     })
 *
 * With `{ stream: 'APP' }` as second argument, that JetStream stream keeps all events that name no other.
 *
 * What is sent is the data as the publisher gave it: a schema's transforms and defaults work at the receiver.
 * @throws SpanwireError `invalid-subject` for a bad template (which doesn't compile either)
 */
export function defineEvents<const Contract extends Events, const Stream extends string | undefined = undefined>(
  events: Contract & { readonly [Template in keyof Contract & string as CheckedTemplate<Template>]: EventEntry },
  { stream }: { readonly stream?: Stream } = {},
): Defined<Contract, Stream> {
  const contract: Record<string, EventEntry> = stream ? {} : events
  for (const [name, entry] of Object.entries(events)) {
    new SubjectTemplate(name)
    if (stream) contract[name] = { ...toDefinition(entry), stream: (entry as EventDefinition).stream ?? stream }
  }
  return contract as Defined<Contract, Stream>
}

/** A contract with the default stream written into each entry. */
type Defined<Contract, Stream> = Stream extends string
  ? { readonly [Template in keyof Contract]: WithStream<Contract[Template], Stream> }
  : Contract

function toDefinition(entry: EventEntry): EventDefinition {
  return '~standard' in entry ? { schema: entry } : entry
}

/** One event of a contract, ready for use. */
export interface ContractEvent {
  readonly name: string
  readonly template: SubjectTemplate
  readonly schema: StandardSchema
  readonly reply: StandardSchema | undefined
  readonly codec: Codec
  /** The JetStream stream that keeps it, if any. */
  readonly stream: string | undefined
}

/**
 * An event of a contract by its name, ready for use.
 * @throws SpanwireError `unknown-event`
 */
export function findEvent(contract: Events, name: string): ContractEvent {
  const entry = Object.hasOwn(contract, name) && contract[name]
  if (!entry) throw new SpanwireError('unknown-event', `The contract has no event ${JSON.stringify(name)}.`)
  return readEvent(name, entry)
}

/** Makes an entry of a contract ready for use. */
export function readEvent(name: string, entry: EventEntry): ContractEvent {
  const { schema, reply, codec = json, stream } = toDefinition(entry)
  return { name, template: new SubjectTemplate(name), schema, reply, codec, stream: stream || undefined }
}
