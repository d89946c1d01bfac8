/** Answers to requests, and errors of requests without an answer. */
import { SpanwireError } from '../wire/errors.ts'
import { parseHeaders } from '../wire/headers.ts'
import type { ConnectionStatus, TransportMessage } from './transport.ts'

/** @throws SpanwireError `no-responders` if the answer is nats-server's status 503: the subject has no subscriber (ADR-1) */
export function checkAnswer(answer: TransportMessage, subject: string): TransportMessage {
  if (answer.headerBlock && answer.payload.length === 0) {
    let status: number | undefined
    try {
      status = parseHeaders(answer.headerBlock).status
    } catch {
      // Not a header block. It is an answer nevertheless.
    }
    if (status === 503) throw noResponders(subject)
  }
  return answer
}

export function noResponders(subject: string): SpanwireError {
  return new SpanwireError('no-responders', `${subject} has no responder.`)
}

/** @param status if the connection is not open, its reason explains the timeout */
export function timedOut(subject: string, timeout: number, status?: ConnectionStatus): SpanwireError {
  const { state, reason } = status ?? {}
  const why = !state || state === 'open' ? '.' : `: the client is not connected.${reason ? ` ${reason.message}` : ''}`
  return new SpanwireError('timeout', `No answer from ${subject} within ${Math.ceil(timeout)} ms${why}`)
}
