import { SpanwireError } from './errors.ts'

/** Returns the error for data that a schema refuses. Standard Schema allows keys in a path, and objects with a key. */
export function invalidData(subject: string | undefined, issues: NonNullable<SpanwireError['issues']>): SpanwireError {
  const [first] = issues
  const path = first?.path?.map((part) => (part as { key?: unknown } | null)?.key ?? part).join('.')
  return new SpanwireError(
    'invalid-data',
    `The data of ${subject} is not valid: ${path ? `${path}: ` : ''}${first?.message}`,
    { issues },
  )
}
