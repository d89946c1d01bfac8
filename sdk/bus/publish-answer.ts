import type { StreamAck } from '../contract/bus.ts'
import type { TransportMessage } from '../transport/transport.ts'
import { decode } from '../wire/bytes.ts'
import { SpanwireError } from '../wire/errors.ts'

/** JetStream's answer to a publish. Source: NATS ADR-22 and `JSPubAckResponse` of nats-server. */
export interface PublishAnswer {
  readonly ack?: StreamAck
  readonly error?: { readonly err_code?: number; readonly description?: string }
}

/** Values of err_code. Source: nats-server's errors.json */
const WRONG_SEQUENCE = [10071, 10164]
/** JetStream is starting, or an earlier attempt with the same id is being replicated. */
const TEMPORARY = [10008, 10158]

/** @throws SpanwireError `stream-not-found` if it is not an answer of JetStream */
export function readAnswer({ payload }: TransportMessage, subject: string): PublishAnswer {
  try {
    const { error, stream, seq, duplicate } = JSON.parse(decode(payload))
    if (error) return { error }
    if (typeof stream === 'string' && Number.isSafeInteger(seq))
      return { ack: { stream, seq, duplicate: duplicate === true } }
  } catch {
    // Not JSON. The error below reports it.
  }
  throw new SpanwireError(
    'stream-not-found',
    `A responder answers on ${subject}, but not a stream: stop the responder or use another subject.`,
  )
}

/** Whether an expected sequence did not match. */
export function isWrongSequence({ error }: PublishAnswer): boolean {
  return WRONG_SEQUENCE.includes(error?.err_code ?? 0)
}

/** Whether a later attempt may succeed. */
export function isTemporary({ error }: PublishAnswer): boolean {
  return TEMPORARY.includes(error?.err_code ?? 0)
}

/** Settings of a stream that a publish needs, by the err_code of their absence. Source: nats-server's errors.json */
const NEEDS: Readonly<Record<number, string>> = {
  10111: '{ rollup: true }',
  10166: '{ ttl: true }',
  10174: '{ atomic: true }',
  10188: '{ schedules: true }',
}
/** Other remedies. */
const REMEDIES: Readonly<Record<number, string>> = {
  10177: 'ids in a batch require nats-server 2.12.1 or later',
  10189: 'it does not support the time of the schedule: every requires nats-server 2.14 or later, and a valid cron',
  10190: 'the event of a schedule must be one that the stream stores',
  10223: 'it does not know the time zone',
}

/** What to do about a refusal of a stream. Undefined if its own text is the best. */
export function remedyOf(errCode: number, stream: string): string | undefined {
  const setting = NEEDS[errCode]
  return setting ? `the stream ${stream} needs ${setting} of ensureStreams` : REMEDIES[errCode]
}

export function refusal(answer: PublishAnswer, subject: string): SpanwireError {
  const { err_code = 0, description = 'no reason given' } = answer.error ?? {}
  const remedy = remedyOf(err_code, `of ${subject}`)
  const text = remedy ? `${description}; ${remedy}` : description
  return isWrongSequence(answer)
    ? new SpanwireError(
        'wrong-last-sequence',
        `${subject} was not stored: ${text}. Re-read the subject and retry with its current sequence.`,
      )
    : new SpanwireError('stream-refused', `The stream of ${subject} refused the event: ${text}.`)
}
