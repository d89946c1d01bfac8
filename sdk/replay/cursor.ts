import { SpanwireError } from '../wire/errors.ts'

/** A position in a stream. */
export interface Cursor {
  /** Name of the stream. */
  readonly stream: string
  /** Creation time of the stream, as the server formats it. */
  readonly epoch: string
  /** The next sequence. */
  readonly next: number
}

/** Formats a cursor: `<next>@<epoch>@<stream>`. The name of a stream may contain `@`. */
export function encodeCursor({ stream, epoch, next }: Cursor): string {
  return `${next}@${epoch}@${stream}`
}

/**
 * Parses the format of {@link encodeCursor}.
 * @throws SpanwireError `invalid-argument`
 */
export function parseCursor(text: string): Cursor {
  const [, digits, epoch = '', stream = ''] = /^(\d+)@([^@]*)@(.+)$/s.exec(text) ?? []
  const next = Number(digits)
  if (!Number.isSafeInteger(next) || next < 1)
    throw new SpanwireError(
      'invalid-argument',
      `${JSON.stringify(text)} is not a valid cursor: use subscription.cursor.`,
    )
  return { stream, epoch, next }
}
