import { type Codec, json } from './codec.ts'
import type { EventDefinition, EventEntry } from './event.ts'
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
 * What is sent is the data as the publisher gave it: a schema's transforms and defaults work at the receiver.
 * @throws SpanwireError `invalid-subject` for a bad template (which doesn't compile either)
 */
export function defineEvents<const Contract extends Events>(
  events: Contract & { readonly [Template in keyof Contract & string as CheckedTemplate<Template>]: EventEntry },
): Contract {
  for (const name of Object.keys(events)) new SubjectTemplate(name)
  return events
}

/** One event of a contract, ready for use. */
export interface ContractEvent {
  readonly name: string
  readonly template: SubjectTemplate
  readonly schema: StandardSchema
  readonly reply: StandardSchema | undefined
  readonly codec: Codec
}

/** Makes an entry of a contract ready for use. */
export function readEvent(name: string, entry: EventEntry): ContractEvent {
  const definition: EventDefinition = '~standard' in entry ? { schema: entry } : entry
  const { schema, reply, codec = json } = definition
  return { name, template: new SubjectTemplate(name), schema, reply, codec }
}
