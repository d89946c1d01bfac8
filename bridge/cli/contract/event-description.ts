import { type JsonSchema, toJsonSchema } from '../../../sdk/asyncapi/json-schema.ts'
import { json } from '../../../sdk/contract/codec.ts'
import { type Events, readEvent } from '../../../sdk/contract/contract.ts'
import type { StandardSchema } from '../../../sdk/contract/standard-schema.ts'
import { isSpanwireError } from '../../../sdk/wire/errors.ts'

/** A parameter of a subject template. */
export interface ParamDescription {
  readonly name: string
  /** Whether it matches all tokens up to the subject's end. */
  readonly isRest: boolean
}

/** One event of a contract as plain data: for pages, documents and comparisons. */
export interface EventDescription {
  /** Its name in the contract: the subject template. */
  readonly name: string
  /** The subject filter that holds all of its subjects. */
  readonly filter: string
  readonly params: readonly ParamDescription[]
  /** The JetStream stream that keeps it. */
  readonly stream?: string
  readonly contentType: string
  /** Version of the schema, if it is above 1. */
  readonly version?: number
  /** JSON Schema of the data as it is sent. */
  readonly schema?: JsonSchema
  /** The reason why `schema` is missing. */
  readonly noSchema?: string
  /** The answer, if the event is a request. */
  readonly reply?: { readonly schema?: JsonSchema; readonly noSchema?: string }
}

/** Each `{param}`, and whether it matches the rest of the subject. */
const PARAM = /\{([^{}]+?)(\.\.\.)?\}/g

/** Writes a contract as plain data, in the order of the contract. */
export function describeContract(events: Events): EventDescription[] {
  return Object.entries(events).map(([name, entry]) => {
    const { template, schema, reply, codec, stream, version } = readEvent(name, entry)
    const describe = (part: StandardSchema) =>
      // Only JSON has a JSON Schema.
      codec === json ? describeSchema(part, name) : { noSchema: `Its data is ${codec.contentType}.` }
    return {
      name,
      filter: template.filter({}),
      params: paramsOf(name),
      ...(stream !== undefined && { stream }),
      contentType: codec.contentType,
      ...(version !== undefined && { version }),
      ...describe(schema),
      ...(reply && { reply: describe(reply) }),
    }
  })
}

/** The parameters of a subject template, in its order. */
export function paramsOf(template: string): ParamDescription[] {
  return [...template.matchAll(PARAM)].map(([, name = '', rest]) => ({ name, isRest: rest !== undefined }))
}

function describeSchema(schema: StandardSchema, event: string): { schema: JsonSchema } | { noSchema: string } {
  try {
    return { schema: toJsonSchema(schema, event, undefined) ?? {} }
  } catch (error) {
    if (!isSpanwireError(error, 'unsupported')) throw error
    return { noSchema: `Its schema library (${schema['~standard'].vendor}) gives no JSON Schema.` }
  }
}
