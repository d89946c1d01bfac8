import { SpanwireError } from '../errors.ts'
import type { SchemaIssue, SchemaResult, StandardSchema } from './standard-schema.ts'

/**
 * Validates `data`, and calls `done` with what the schema made of it: at once if the schema is synchronous.
 * @throws SpanwireError `invalid-data`, as a rejection if the schema is asynchronous
 */
export function validate<T>(
  schema: StandardSchema | undefined,
  data: unknown,
  subject: string,
  done: (data: unknown) => T,
): T | Promise<T> {
  if (!schema) return done(data)
  const conclude = (result: SchemaResult<unknown>): T => {
    if (result.issues) throw invalid(subject, result.issues)
    return done(result.value)
  }
  const result = schema['~standard'].validate(data)
  return result instanceof Promise ? result.then(conclude) : conclude(result)
}

function invalid(subject: string, issues: ReadonlyArray<SchemaIssue>): SpanwireError {
  const [first] = issues
  // Paths are keys, or objects that have one (Standard Schema allows both).
  const path = first?.path?.map((part) => (part as { key?: unknown } | null)?.key ?? part).join('.')
  return new SpanwireError(
    'invalid-data',
    `The schema refuses the data of ${subject}: ${path ? `${path}: ` : ''}${first?.message}`,
    { issues },
  )
}
