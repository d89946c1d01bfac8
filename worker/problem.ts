import { isSpanwireError } from '../sdk/wire/errors.ts'

/** What stops the Worker before a request gets as far as the bridge, as `application/problem+json` (RFC 9457). */
export function toUnavailable(error: unknown): Response {
  if (isSpanwireError(error)) return problem(500, error.code, error.message)
  return problem(503, 'upstream-unavailable', 'The hub is out of reach for the moment: try again.')
}

export function problem(status: number, code: string, detail: string): Response {
  return Response.json(
    { type: 'about:blank', title: code, status, code, detail },
    {
      status,
      headers: { 'Content-Type': 'application/problem+json', ...(status === 503 && { 'Retry-After': '1' }) },
    },
  )
}
