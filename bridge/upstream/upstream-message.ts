import { SpanwireError } from '../../sdk/wire/errors.ts'
import { encodeHeaders } from '../../sdk/wire/headers.ts'
import { isSubject, isSubjectFilter } from '../../sdk/wire/subject.ts'
import type { UpstreamMessage } from './upstream.ts'

/** The header block of that status, and nothing else in it. */
export const NO_RESPONDERS: Uint8Array = encodeHeaders([], 503)
const empty = new Uint8Array(0)

/** What NATS answers to a request on whose subject nobody listens (ADR-4 and nats-server). */
export function noRespondersMessage(reply: string): UpstreamMessage {
  return { subject: reply, headers: NO_RESPONDERS, payload: empty }
}

/**
 * The size that counts towards `max_payload`: header block and payload.
 * @throws SpanwireError `invalid-subject`, `payload-too-large`
 */
export function checkMessage({ subject, reply, headers, payload }: UpstreamMessage, maxPayload: number): number {
  // A subject with a blank or line end in it would be another protocol line at the broker.
  if (!isSubject(subject) || (reply !== undefined && !isSubject(reply)))
    throw new SpanwireError('invalid-subject', `Can't publish to ${JSON.stringify(subject)}: not a valid subject.`)
  const size = payload.length + (headers?.length ?? 0)
  if (size > maxPayload)
    throw new SpanwireError(
      'payload-too-large',
      `A message of ${size} bytes is over the broker's limit of ${maxPayload}: send less, or raise max_payload.`,
    )
  return size
}

/** @throws SpanwireError `invalid-subject` */
export function checkFilter(filter: string, queue: string | undefined): void {
  if (!isSubjectFilter(filter) || (queue !== undefined && !isSubject(queue)))
    throw new SpanwireError('invalid-subject', `Can't subscribe to ${JSON.stringify(filter)}: not a valid filter.`)
}

const STATUS_503 = new TextEncoder().encode('NATS/1.0 503')

/** Whether this is the status that says that nobody listens. Newer servers add headers to it. */
export function isNoResponders({ payload, headers }: UpstreamMessage): boolean {
  return payload.length === 0 && headers !== undefined && STATUS_503.every((byte, index) => headers[index] === byte)
}
