import type { ConnectionStatus, Transport } from '../../../sdk/transport/transport.ts'
import { SpanwireError } from '../../../sdk/wire/errors.ts'

/**
 * Resolves when the transport has a connection.
 * @param ms how long to wait
 * @throws SpanwireError (as rejection) the reason why there is none
 */
export function whenOpen(transport: Transport, url: string, ms: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let { reason } = transport.status
  const look = (status: ConnectionStatus) => {
    reason = status.reason ?? reason
    if (status.state === 'open') resolve()
    if (status.state === 'closed') reject(failure())
  }
  const failure = () =>
    new SpanwireError(
      reason?.code ?? 'connection-refused',
      `No connection to ${withoutPassword(url)} within ${ms} ms: ${reason?.message ?? 'nothing answers there.'} "spanwire doctor" finds out why.`,
    )
  const timer = setTimeout(() => reject(failure()), ms)
  const forget = transport.onStatus(look)
  look(transport.status)
  return promise.finally(() => {
    clearTimeout(timer)
    forget()
  })
}

/** A URL as it may be shown. */
export function withoutPassword(url: string): string {
  const parsed = URL.parse(url)
  if (!parsed?.username && !parsed?.password) return url
  parsed.username = ''
  parsed.password = ''
  return parsed.href
}
