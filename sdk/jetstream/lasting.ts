import { isSpanwireError, type SpanwireError, type SpanwireErrorCode } from '../wire/errors.ts'

/** Errors that may not occur in a later attempt. */
const TEMPORARY: readonly SpanwireErrorCode[] = [
  'timeout',
  'aborted',
  'no-responders',
  'connection-lost',
  'connection-refused',
  'upstream-unavailable',
  'offline-queue-full',
  'rate-limited',
]

/** Whether another attempt of a JetStream request would have the same error. */
export function isLasting(error: unknown): error is SpanwireError {
  return isSpanwireError(error) && !TEMPORARY.includes(error.code)
}
