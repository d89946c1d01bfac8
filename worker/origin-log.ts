import type { ErrorHandler } from 'hono'
import { OriginError } from '../bridge/http/origins.ts'
import { toProblem } from '../bridge/http/problem.ts'
import { logRefusal } from '../bridge/http/refusal-log.ts'
import type { Log } from '../bridge/log/log.ts'

/** The response for an error. Writes refused pages to the log. The hubs log all other refusals. */
export function logOrigins(log: Log): ErrorHandler {
  return (error, c) => {
    if (error instanceof OriginError) logRefusal(log, c, error)
    return toProblem(c, error)
  }
}
