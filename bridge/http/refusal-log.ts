import type { Context } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { isSpanwireError, SpanwireError } from '../../sdk/wire/errors.ts'
import type { Log } from '../log/log.ts'

/** Errors that an operator has to see: the client can not do anything about them, or should not. */
const LOGGED = ['authentication-failed', 'permission-denied', 'rate-limited']

/** Logs the refusal of a request. Its query is left out, because it may hold a token. */
export function logRefusal(log: Log, c: Context, error: unknown): void {
  const refusal =
    error instanceof HTTPException && error.status === 401
      ? new SpanwireError('authentication-failed', 'The key of the route is missing or wrong.')
      : error
  if (!isSpanwireError(refusal) || !LOGGED.includes(refusal.code)) return
  log.refusal('request-refused', refusal, {
    path: `${c.req.method} ${c.req.path}`,
    origin: c.req.header('Origin'),
  })
}
