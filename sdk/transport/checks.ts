/** Checks and errors that all transports share. */
import { SpanwireError } from '../wire/errors.ts'
import { isSubject, isSubjectFilter } from '../wire/subject.ts'

function check(isValid: (text: string) => boolean, text: string | undefined, what: string): void {
  if (text !== undefined && !isValid(text))
    throw new SpanwireError('invalid-subject', `${JSON.stringify(text)} is not a valid ${what}.`)
}

/** @throws SpanwireError `invalid-subject` */
export function checkSubject(subject: string | undefined): void {
  check(isSubject, subject, 'subject')
}

/** @throws SpanwireError `invalid-subject` */
export function checkFilter(filter: string, queue?: string): void {
  check(isSubjectFilter, filter, 'subject filter')
  check(isSubject, queue, 'queue group')
}

/** @throws SpanwireError `payload-too-large` */
export function checkSize(size: number, info: { readonly max_payload: number } | undefined): void {
  if (info && size > info.max_payload)
    throw new SpanwireError('payload-too-large', `${size} bytes: the server takes ${info.max_payload}.`)
}

export function queueFull(): SpanwireError {
  return new SpanwireError('offline-queue-full', 'The offline queue is full.')
}

/** Returns the error for a signal that was aborted. */
export function aborted(signal: AbortSignal): SpanwireError {
  return new SpanwireError('aborted', 'The signal was aborted.', { cause: signal.reason })
}

export function closedError(): SpanwireError {
  return new SpanwireError('connection-closed', 'This client was closed: make a new one.')
}

/** Calls `end` when the signal is aborted. Returns a function that cancels it. */
export function onAbort(signal: AbortSignal | undefined, end: (error: SpanwireError) => void): () => void {
  const listener = () => end(aborted(signal as AbortSignal))
  if (signal?.aborted) listener()
  else signal?.addEventListener('abort', listener)
  return () => signal?.removeEventListener('abort', listener)
}
