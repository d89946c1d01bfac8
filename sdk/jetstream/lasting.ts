import { isSpanwireError, type SpanwireError, type SpanwireErrorCode } from '../wire/errors.ts'

/** These pass by themselves. */
const PASSING: readonly SpanwireErrorCode[] = [
  'timeout',
  'aborted',
  'no-responders',
  'connection-lost',
  'connection-refused',
  'upstream-unavailable',
  'offline-queue-full',
  'rate-limited',
]

/** Whether what JetStream was asked for can't be had by asking again. */
export function isLasting(error: unknown): error is SpanwireError {
  return isSpanwireError(error) && !PASSING.includes(error.code)
}
