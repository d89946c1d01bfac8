import { SpanwireError } from '../../sdk/wire/errors.ts'
import { encodeHeaders } from '../../sdk/wire/headers.ts'
import { isSubject, isSubjectFilter } from '../../sdk/wire/subject.ts'
import { isPublishSubject } from '../auth/api-permissions.ts'
import type { UpstreamMessage } from './upstream.ts'

/** Header block of the 503 status. */
export const NO_RESPONDERS: Uint8Array = encodeHeaders([], 503)
const empty = new Uint8Array(0)

/** NATS's answer to a request without responders (ADR-4 and nats-server). */
export function noRespondersMessage(reply: string): UpstreamMessage {
  return { subject: reply, headers: NO_RESPONDERS, payload: empty }
}

/**
 * Checks a message. Returns its size as in `max_payload`: header block and payload, in bytes.
 * @throws SpanwireError `invalid-subject`, `payload-too-large`
 */
export function checkMessage({ subject, reply, headers, payload }: UpstreamMessage, maxPayload: number): number {
  // A subject with a blank or line break would be another protocol line at the broker.
  if (!isPublishSubject(subject) || (reply !== undefined && !isSubject(reply)))
    throw new SpanwireError(
      'invalid-subject',
      `Can't publish to ${JSON.stringify(subject)}: it is not a valid subject.`,
    )
  const size = payload.length + (headers?.length ?? 0)
  if (size > maxPayload)
    throw new SpanwireError(
      'payload-too-large',
      `The message has ${size} bytes. The broker's limit is ${maxPayload}. Send less, or raise max_payload.`,
    )
  return size
}

/** @throws SpanwireError `invalid-subject` */
export function checkFilter(filter: string, queue: string | undefined): void {
  if (!isSubjectFilter(filter) || (queue !== undefined && !isSubject(queue)))
    throw new SpanwireError(
      'invalid-subject',
      `Can't subscribe to ${JSON.stringify(filter)}: it is not a valid subject filter.`,
    )
}

const STATUS_503 = new TextEncoder().encode('NATS/1.0 503')

/** Whether this is the 503 status. Newer servers add headers to it. */
export function isNoResponders({ payload, headers }: UpstreamMessage): boolean {
  return payload.length === 0 && headers !== undefined && STATUS_503.every((byte, index) => headers[index] === byte)
}
