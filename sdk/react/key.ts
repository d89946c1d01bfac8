/**
 * The same text for arguments that say the same, whatever objects they are. Params that are left out, undefined or `*`
 * say the same, and the order of fields says nothing.
 */
export function keyOf(...args: readonly unknown[]): string {
  return write(args, (value) => value !== '*')
}

/** The same of data, where `*` is a value as any other. */
export function keyOfData(data: unknown): string {
  return write([data], () => true)
}

function write(args: readonly unknown[], counts: (value: unknown) => boolean): string {
  return JSON.stringify(args, (_, value) => (isPlain(value) ? sorted(value, counts) : value))
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function sorted(fields: Record<string, unknown>, counts: (value: unknown) => boolean): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields)
      .filter(([, value]) => counts(value))
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  )
}
