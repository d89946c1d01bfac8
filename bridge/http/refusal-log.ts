import type { Context } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { isSpanwireError, SpanwireError } from '../../sdk/wire/errors.ts'
import type { Log } from '../log/log.ts'
import { StatusError } from './problem.ts'

/** Errors that an operator has to see: the client can't do anything about them, or should not. */
const LOGGED = ['authentication-failed', 'permission-denied', 'rate-limited']
/** Misdirected Request: the host name is not one of the bridge. */
const WRONG_HOST = 421

/** Logs the refusal of a request. Its query is left out, because it may hold a token. */
export function logRefusal(log: Log, c: Context, error: unknown): void {
  const fields = { path: `${c.req.method} ${c.req.path}`, origin: c.req.header('Origin') }
  if (error instanceof HTTPException && error.status === 401) {
    const refusal = new SpanwireError('authentication-failed', 'The key of the route is missing or wrong.')
    return log.refusal('request-refused', refusal, fields)
  }
  const isWrongHost = error instanceof StatusError && error.status === WRONG_HOST
  if (!isSpanwireError(error) || !(isWrongHost || LOGGED.includes(error.code))) return
  const isOrigin = isWrongHost || (error.code === 'permission-denied' && error.message.startsWith('Pages of '))
  const code = isOrigin
    ? 'origin-refused'
    : error.code === 'authentication-failed'
      ? 'credentials-refused'
      : 'request-refused'
  log.refusal(code, error, fields)
}
