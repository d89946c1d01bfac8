import { isSpanwireError } from '../sdk/wire/errors.ts'

/** The response to an error before a request reaches its hub. */
export function toUnavailable(error: unknown): Response {
  if (isSpanwireError(error)) return problem(500, error.code, error.message)
  return problem(503, 'upstream-unavailable', 'The hub is unavailable at the moment. Try again.')
}

/** An error as `application/problem+json`. Source: RFC 9457. */
export function problem(status: number, code: string, detail: string): Response {
  return Response.json(
    { type: 'about:blank', title: code, status, code, detail },
    {
      status,
      headers: { 'Content-Type': 'application/problem+json', ...(status === 503 && { 'Retry-After': '1' }) },
    },
  )
}
