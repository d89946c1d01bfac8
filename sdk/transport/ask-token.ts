import { messageOf } from '../kit/error-text.ts'
import { inTime } from '../kit/in-time.ts'
import { isSpanwireError, SpanwireError } from '../wire/errors.ts'
import { toToken } from './token.ts'

/**
 * Calls a token function. It has failed unless it returns a token in time.
 * @param limit in ms
 * @throws SpanwireError its own, such as `authentication-failed`, else `connection-refused`
 */
export async function askToken(source: () => string | Promise<string>, limit: number): Promise<string> {
  try {
    return toToken(await inTime(source(), limit))
  } catch (cause) {
    if (isSpanwireError(cause)) throw cause
    throw new SpanwireError('connection-refused', `The token function failed: ${messageOf(cause)}`, { cause })
  }
}
