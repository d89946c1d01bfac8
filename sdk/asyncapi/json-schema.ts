import type { StandardSchema } from '../contract/standard-schema.ts'
import { SpanwireError } from '../wire/errors.ts'

/** A JSON Schema, draft 07. */
export type JsonSchema = Readonly<Record<string, unknown>>

/** Standard JSON Schema, which some schema libraries implement. Source: https://standardschema.dev/json-schema */
interface WithJsonSchema {
  readonly jsonSchema?: { input?(options: { readonly target: string }): Record<string, unknown> }
}

/**
 * Returns the JSON Schema of the data in a message: the schema's input, because the receiver applies its transforms.
 * @param convert for schemas without Standard JSON Schema. It may return undefined to omit the schema
 * @throws SpanwireError `unsupported`
 */
export function toJsonSchema(
  schema: StandardSchema,
  event: string,
  convert: ((schema: StandardSchema) => JsonSchema | undefined) | undefined,
): JsonSchema | undefined {
  const standard: StandardSchema['~standard'] & WithJsonSchema = schema['~standard']
  let written: Record<string, unknown> | undefined
  try {
    if (convert) return convert(schema)
    written = standard.jsonSchema?.input?.({ target: 'draft-07' })
  } catch (cause) {
    throw unsupported(event, 'has no JSON Schema', { cause })
  }
  if (!written) throw unsupported(event, `is of a library (${schema['~standard'].vendor}) without Standard JSON Schema`)
  const { $schema: _, ...rest } = written
  return rest
}

function unsupported(event: string, why: string, options?: { readonly cause: unknown }): SpanwireError {
  return new SpanwireError('unsupported', `The schema of ${event} ${why}: use the option toJsonSchema.`, options)
}
