/** What JetStream answers to a publish. Source: NATS ADR-22 and `JSPubAckResponse` of nats-server. */
import type { StreamAck } from '../contract/bus.ts'
import type { TransportMessage } from '../transport/transport.ts'
import { SpanwireError } from '../wire/errors.ts'

/** An acknowledgement, or why there is none. */
export interface PublishAnswer {
  readonly ack?: StreamAck
  readonly error?: { readonly err_code?: number; readonly description?: string }
}

/** Error codes of nats-server's errors.json. */
const WRONG_SEQUENCE = [10071, 10164]
/** JetStream is starting; another attempt with the same id is on its way to the replicas. */
const TEMPORARY = [10008, 10158]

/** @throws SpanwireError `stream-not-found` if it is no answer of JetStream */
export function readAnswer({ payload }: TransportMessage, subject: string): PublishAnswer {
  try {
    const { error, stream, seq, duplicate } = JSON.parse(new TextDecoder().decode(payload))
    if (error) return { error }
    if (typeof stream === 'string' && Number.isSafeInteger(seq))
      return { ack: { stream, seq, duplicate: duplicate === true } }
  } catch {
    // Told below.
  }
  throw new SpanwireError('stream-not-found', `Somebody answers on ${subject}, but no stream: end that responder.`)
}

/** Whether an expectation of the sequence didn't hold. */
export function isWrongSequence({ error }: PublishAnswer): boolean {
  return WRONG_SEQUENCE.includes(error?.err_code ?? 0)
}

/** Whether the same may be taken in a moment. */
export function isTemporary({ error }: PublishAnswer): boolean {
  return TEMPORARY.includes(error?.err_code ?? 0)
}

export function refusal(answer: PublishAnswer, subject: string): SpanwireError {
  const text = answer.error?.description ?? 'no reason given'
  return isWrongSequence(answer)
    ? new SpanwireError('wrong-last-sequence', `${subject} was not stored: ${text}. Read again, then decide anew.`)
    : new SpanwireError('stream-refused', `The stream of ${subject} refuses: ${text}.`)
}
