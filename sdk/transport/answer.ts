/** What the answer to a request may say of the request. */
import { SpanwireError } from '../wire/errors.ts'
import { parseHeaders } from '../wire/headers.ts'
import type { ConnectionStatus, TransportMessage } from './transport.ts'

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

/** @param status of the connection: while it is away, that is why */
export function timedOut(subject: string, timeout: number, status?: ConnectionStatus): SpanwireError {
  const away = status && status.state !== 'open'
  const why = away ? `: there is no connection. ${status.reason?.message ?? ''}`.trimEnd() : '.'
  return new SpanwireError('timeout', `No answer from ${subject} within ${Math.ceil(timeout)} ms${why}`)
}
