import type { Context } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { isSpanwireError, SpanwireError } from '../../sdk/wire/errors.ts'
import type { Log } from '../log/log.ts'
import { ClosedByHubError } from './hub-refusal.ts'
import { OriginError } from './origins.ts'
import { MemoryError } from './request-memory.ts'

/** Errors that an operator has to see: the client can't do anything about them, or should not. */
const LOGGED = ['authentication-failed', 'permission-denied', 'rate-limited']

/** Logs the refusal of a request. Its query is left out, because it may hold a token. */
export function logRefusal(log: Log, c: Context, error: unknown): void {
  const fields = { path: `${c.req.method} ${c.req.path}`, origin: c.req.header('Origin') }
  if (error instanceof HTTPException && error.status === 401) {
    const refusal = new SpanwireError('authentication-failed', 'The key of the route is missing or wrong.')
    return log.refusal('request-refused', refusal, fields)
  }
  if (error instanceof ClosedByHubError) return
  const user: string = c.get('identity')?.user ?? ''
  if (error instanceof MemoryError) log.limit('memory', user, () => fields)
  const isOrigin = error instanceof OriginError
  if (!isSpanwireError(error) || !(isOrigin || LOGGED.includes(error.code))) return
  const code = isOrigin
    ? 'origin-refused'
    : error.code === 'authentication-failed'
      ? 'credentials-refused'
      : 'request-refused'
  log.refusal(code, error, fields)
}
