/** How a responder says that it failed. Source: NATS ADR-32 (service API). */

import type { EventHeaders } from '../contract/event-headers.ts'
import { SpanwireError } from '../wire/errors.ts'
import type { HeaderFields } from '../wire/headers.ts'

const CODE = 'Nats-Service-Error-Code'
const MESSAGE = 'Nats-Service-Error'

/** Line ends can't be part of a header. */
export function serviceError(code: number, message: string): HeaderFields {
  return [
    [CODE, String(code)],
    [MESSAGE, message.replace(/\s+/g, ' ')],
  ]
}

/** The error that an answer is, or undefined if it is none. */
export function readServiceError(headers: EventHeaders, subject: string): SpanwireError | undefined {
  if (headers.get(CODE) === undefined) return undefined
  return new SpanwireError('responder-failed', headers.get(MESSAGE) || `The responder of ${subject} failed.`)
}
