import { isThenable } from '../kit/kinds.ts'
import { SpanwireError } from '../wire/errors.ts'
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
  const { issues } = result
  if (!issues) return result.value
  const [first] = issues
  // Standard Schema allows keys, and objects with a key.
  const path = first?.path?.map((part) => (part as { key?: unknown } | null)?.key ?? part).join('.')
  throw new SpanwireError(
    'invalid-data',
    `The data of ${subject} is not valid: ${path ? `${path}: ` : ''}${first?.message}`,
    { issues },
  )
}
