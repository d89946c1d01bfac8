import type { NatsConnection } from 'nats'
import { isSpanwireError, SpanwireError } from '../../sdk/wire/errors.ts'

/**
 * Tells `report` of what the server complains about on a connection without ending it, and `leave` that the server is about
 * to go (lame duck mode), and `denied` what the upstream's user may not publish to.
 */
export async function followStatus(
  connection: NatsConnection,
  report: (error: SpanwireError) => void,
  leave: () => void,
  denied: (subject: string) => void,
): Promise<void> {
  for await (const status of connection.status()) {
    if (status.type === 'ldm') leave()
    if (status.type !== 'error') continue
    const { permissionContext: context, data } = status
    if (context) {
      if (context.operation === 'publish') denied(context.subject)
      const act = context.operation === 'publish' ? 'publish to' : 'subscribe to'
      report(
        new SpanwireError(
          'permission-denied',
          `The upstream's NATS user may not ${act} ${context.subject}: grant it, or don't let clients use it.`,
        ),
      )
    } else {
      report(
        isAuthCode(String(data))
          ? new SpanwireError('authentication-failed', `NATS no longer accepts the upstream's credentials: ${data}.`)
          : new SpanwireError('connection-lost', `NATS complained, and may end the connection: ${data}.`),
      )
    }
  }
}

/** The client's error, or any other, in Spanwire's words. */
export function toSpanwireError(error: unknown): SpanwireError {
  if (isSpanwireError(error)) return error
  const { code, message, chainedError } = error as {
    readonly code?: string
    readonly message?: string
    readonly chainedError?: { readonly message?: string }
  }
  // The client's own word is often no more than `TLS`.
  const text = [message || code || String(error), chainedError?.message].filter((part) => part).join(': ')
  if (code && isAuthCode(code))
    return new SpanwireError('authentication-failed', `NATS refuses the upstream's credentials: ${text}.`, {
      cause: error,
    })
  return new SpanwireError('connection-refused', `NATS can't be reached (${text}): trying again.`, { cause: error })
}

function isAuthCode(code: string): boolean {
  return /^(AUTH|ACCOUNT|BAD_AUTH|BAD_CREDS)/.test(code)
}
