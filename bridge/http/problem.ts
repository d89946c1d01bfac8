import type { Context } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { isSpanwireError, SpanwireError, type SpanwireErrorCode } from '../../sdk/wire/errors.ts'

const statuses: Partial<Record<SpanwireErrorCode, ContentfulStatusCode>> = {
  'authentication-failed': 401,
  'permission-denied': 403,
  'stream-not-found': 404,
  'stream-conflict': 409,
  'stream-refused': 409,
  'wrong-last-sequence': 412,
  'payload-too-large': 413,
  'invalid-data': 422,
  'rate-limited': 429,
  'upstream-unavailable': 503,
  'no-responders': 503,
  timeout: 504,
}

/** An error whose HTTP status does not follow from its code. */
export class StatusError extends SpanwireError {
  readonly status: ContentfulStatusCode

  constructor(status: ContentfulStatusCode, code: SpanwireErrorCode, message: string) {
    super(code, message)
    this.status = status
  }
}

/** A response with `application/problem+json` (RFC 9457). `code` is the stable code of the error. */
export function problem(c: Context, error: SpanwireError, status = statuses[error.code] ?? 400): Response {
  if (status === 401) c.header('WWW-Authenticate', 'Bearer')
  if (status === 429 || error.code === 'upstream-unavailable') c.header('Retry-After', '1')
  const body = JSON.stringify({
    type: 'about:blank',
    title: error.code,
    status,
    code: error.code,
    detail: error.message,
    ...(error.issues && { issues: error.issues }),
  })
  return c.body(body, status, { 'Content-Type': 'application/problem+json' })
}

/** The response for an error. Messages of unknown errors are left out, because they may hold secrets. */
export function toProblem(c: Context, error: unknown): Response {
  if (error instanceof StatusError) return problem(c, error, error.status)
  if (isSpanwireError(error)) return problem(c, error)
  // Thrown by Hono's bearerAuth.
  if (error instanceof HTTPException && error.status < 500) {
    return problem(c, new SpanwireError('authentication-failed', 'The key for this route is required.'))
  }
  const body = JSON.stringify({
    type: 'about:blank',
    title: 'Internal error',
    status: 500,
    code: 'request-refused',
    detail: 'The bridge failed.',
  })
  return c.body(body, 500, { 'Content-Type': 'application/problem+json' })
}
