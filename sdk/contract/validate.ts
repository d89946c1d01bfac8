import { isThenable } from '../kit/kinds.ts'
import { invalidData } from '../wire/invalid-data.ts'
import type { SchemaResult, StandardSchema } from './standard-schema.ts'

/**
 * Validates data. Returns the schema's output, or a promise of it if the schema is asynchronous.
 * @throws SpanwireError `invalid-data`, as a rejection if the schema is asynchronous
 */
export function validate(schema: StandardSchema | undefined, data: unknown, subject: string): unknown {
  const result = schema ? schema['~standard'].validate(data) : { value: data }
  return isThenable(result)
    ? Promise.resolve(result).then((later) => conclude(subject, later))
    : conclude(subject, result)
}

function conclude(subject: string, result: SchemaResult<unknown>): unknown {
  if (result.issues) throw invalidData(subject, result.issues)
  return result.value
}
