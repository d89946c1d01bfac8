import type { StandardSchema } from '../contract/standard-schema.ts'
import { SpanwireError } from '../wire/errors.ts'

/** A JSON Schema, draft 07. */
export type JsonSchema = Readonly<Record<string, unknown>>

/** What a schema has if its library implements Standard JSON Schema. Source: https://standardschema.dev/json-schema */
interface WithJsonSchema {
  readonly jsonSchema?: { input?(options: { readonly target: string }): Record<string, unknown> }
}

/**
 * What travels, as JSON Schema: the schema's input, as its transforms and defaults work at the receiver.
 * @param convert for schemas that can't say it themselves; undefined if nothing is to be said
 * @throws SpanwireError `unsupported`
 */
export function toJsonSchema(
  schema: StandardSchema,
  event: string,
  convert: ((schema: StandardSchema) => JsonSchema | undefined) | undefined,
): JsonSchema | undefined {
  const { jsonSchema } = schema['~standard'] as WithJsonSchema
  let written: Record<string, unknown> | undefined
  try {
    if (convert) return convert(schema)
    written = jsonSchema?.input?.({ target: 'draft-07' })
  } catch (cause) {
    throw unsupported(event, 'gives no JSON Schema', { cause })
  }
  if (!written) throw unsupported(event, `is of a library (${schema['~standard'].vendor}) that gives no JSON Schema`)
  const { $schema: _, ...rest } = written
  return rest
}

function unsupported(event: string, why: string, options?: { readonly cause: unknown }): SpanwireError {
  return new SpanwireError('unsupported', `The schema of ${event} ${why}: give toJsonSchema.`, options)
}
