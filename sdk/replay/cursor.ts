import { SpanwireError } from '../wire/errors.ts'

/** A place in a stream: which one, and the next sequence. */
export interface Cursor {
  readonly stream: string
  /** When the stream was made, as the server writes it. */
  readonly epoch: string
  readonly next: number
}

/** `<next>@<epoch>@<stream>`: a stream's name may hold anything but dots, wildcards and white space. */
export function encodeCursor({ stream, epoch, next }: Cursor): string {
  return `${next}@${epoch}@${stream}`
}

/** @throws SpanwireError `invalid-argument` */
export function parseCursor(text: string): Cursor {
  const [, digits, epoch, stream] = /^(\d+)@([^@]*)@(.+)$/.exec(text) ?? []
  const next = Number(digits)
  if (!Number.isSafeInteger(next) || next < 1)
    throw new SpanwireError('invalid-argument', `${JSON.stringify(text)} is no cursor: give subscription.cursor.`)
  return { stream: stream as string, epoch: epoch as string, next }
}
