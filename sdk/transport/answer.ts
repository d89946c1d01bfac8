/** What the answer to a request may say of the request. */
import { SpanwireError } from '../errors.ts'
import { parseHeaders } from '../protocol/headers.ts'
import type { TransportMessage } from './transport.ts'

/** @throws SpanwireError `no-responders` if the answer is nats-server's word that nobody listens (ADR-1) */
export function checkAnswer(answer: TransportMessage, subject: string): TransportMessage {
  if (answer.headerBlock && answer.payload.length === 0) {
    let status: number | undefined
    try {
      status = parseHeaders(answer.headerBlock).status
    } catch {
      // Not a header block: an answer all the same.
    }
    if (status === 503) throw noResponders(subject)
  }
  return answer
}

export function noResponders(subject: string): SpanwireError {
  return new SpanwireError('no-responders', `Nobody answers ${subject} right now.`)
}

export function timedOut(subject: string, timeout: number): SpanwireError {
  return new SpanwireError('timeout', `No answer from ${subject} within ${timeout} ms.`)
}
