/** What every transport checks before it does anything. */
import { SpanwireError } from '../errors.ts'
import { isSubject, isSubjectFilter } from '../subject.ts'

/** @throws SpanwireError `invalid-subject` */
export function checkSubject(subject: string): void {
  if (!isSubject(subject))
    throw new SpanwireError('invalid-subject', `${JSON.stringify(subject)} is no subject to publish to.`)
}

/** @throws SpanwireError `invalid-subject` */
export function checkFilter(filter: string, queue?: string): void {
  if (!isSubjectFilter(filter))
    throw new SpanwireError('invalid-subject', `${JSON.stringify(filter)} is no subject filter.`)
  if (queue !== undefined && !isSubject(queue))
    throw new SpanwireError('invalid-subject', `${JSON.stringify(queue)} is no name of a queue group.`)
}

/** @throws SpanwireError `payload-too-large` */
export function checkSize(size: number, info: { readonly max_payload: number } | undefined): void {
  if (info && size > info.max_payload)
    throw new SpanwireError(
      'payload-too-large',
      `${size} bytes of headers and payload are more than the server takes (${info.max_payload}).`,
    )
}

export function queueFull(): SpanwireError {
  return new SpanwireError('offline-queue-full', 'Too much was published while offline: this was not sent.')
}

export function timedOut(subject: string, timeout: number): SpanwireError {
  return new SpanwireError('timeout', `No answer from ${subject} within ${timeout} ms.`)
}

/** The error of a signal that is aborted. */
export function aborted(signal: AbortSignal): SpanwireError {
  return new SpanwireError('aborted', 'Ended by its AbortSignal.', { cause: signal.reason })
}

export function closedError(): SpanwireError {
  return new SpanwireError('connection-closed', 'This client was closed: make a new one.')
}

/** Calls `end` when the signal is aborted. Returns what takes that back. */
export function onAbort(signal: AbortSignal | undefined, end: (error: SpanwireError) => void): () => void {
  if (!signal) return () => {}
  const listener = () => end(aborted(signal))
  if (signal.aborted) listener()
  else signal.addEventListener('abort', listener, { once: true })
  return () => signal.removeEventListener('abort', listener)
}
