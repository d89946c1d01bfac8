import type { NatsConnection } from 'nats'
import { isSpanwireError, SpanwireError } from '../../sdk/wire/errors.ts'

/** Reports faults that do not end the upstream. Repetitions are left out: an outage would fill the log. */
export class FaultReporter {
  readonly #report: (error: SpanwireError) => void
  #last = ''

  /** @param report default: `console.warn` */
  constructor(report: ((error: SpanwireError) => void) | undefined) {
    this.#report = report ?? ((error) => console.warn(`spanwire upstream: ${error.message}`))
  }

  report(error: SpanwireError): void {
    const fault = `${error.code} ${error.message}`
    if (fault === this.#last) return
    this.#last = fault
    try {
      this.#report(error)
    } catch {
      // An error of the callback must not end the connection.
    }
  }

  /** Reports the next fault even if it is the same as the last one. */
  reset(): void {
    this.#last = ''
  }
}

/** Callbacks of {@link followStatus}. */
export interface StatusHandler {
  /** The server reports an error and keeps the connection. */
  fault(error: SpanwireError): void
  /** The server is in lame duck mode and will shut down. */
  lameDuck(): void
  /** The upstream's user must not publish to `subject`. */
  denied(subject: string): void
}

/** Follows the status of a connection until it ends. */
export async function followStatus(connection: NatsConnection, handler: StatusHandler): Promise<void> {
  for await (const status of connection.status()) {
    if (status.type === 'ldm') handler.lameDuck()
    if (status.type !== 'error') continue
    const { permissionContext: context, data } = status
    if (context) {
      if (context.operation === 'publish') handler.denied(context.subject)
      const verb = context.operation === 'publish' ? 'publish to' : 'subscribe to'
      handler.fault(
        new SpanwireError(
          'permission-denied',
          `The upstream's NATS user must not ${verb} ${context.subject}. Grant it, or deny it to clients.`,
        ),
      )
    } else {
      handler.fault(
        isAuthCode(String(data))
          ? new SpanwireError('authentication-failed', `NATS no longer accepts the upstream's credentials: ${data}.`)
          : new SpanwireError('connection-lost', `NATS reports an error and may close the connection: ${data}.`),
      )
    }
  }
}

/** An error of a NATS client, or any other, as a SpanwireError with the original as `cause`. */
export function toSpanwireError(error: unknown): SpanwireError {
  if (isSpanwireError(error)) return error
  const { code, message, chainedError } = error as {
    readonly code?: string
    readonly message?: string
    readonly chainedError?: { readonly message?: string }
  }
  // The client's own message is often only `TLS`.
  const text = [message || code || String(error), chainedError?.message].filter((part) => part).join(': ')
  if (code && isAuthCode(code))
    return new SpanwireError('authentication-failed', `NATS refuses the upstream's credentials: ${text}.`, {
      cause: error,
    })
  return new SpanwireError('connection-refused', `Can't connect to NATS (${text}). Trying again.`, { cause: error })
}

function isAuthCode(code: string): boolean {
  return /^(AUTH|ACCOUNT|BAD_AUTH|BAD_CREDS)/.test(code)
}
