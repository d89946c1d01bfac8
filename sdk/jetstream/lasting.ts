import { isSpanwireError, type SpanwireError, type SpanwireErrorCode } from '../errors.ts'

const LASTING: readonly SpanwireErrorCode[] = [
  'stream-not-found',
  'stream-conflict',
  'payload-too-large',
  'permission-denied',
  'invalid-argument',
  'invalid-subject',
  'unsupported',
  'connection-closed',
]

/** Whether what JetStream was asked for can't be had by asking again. */
export function isLasting(error: unknown): error is SpanwireError {
  return isSpanwireError(error) && LASTING.includes(error.code)
}
