import { type Backoff, createBackoff } from '../../sdk/kit/backoff.ts'
import { pause } from '../../sdk/kit/pause.ts'
import type { Transport } from '../../sdk/transport/transport.ts'
import { SpanwireError } from '../../sdk/wire/errors.ts'

/** Returns the backoff between attempts of a relay. The longest delay is 5 s. */
export function createRelayBackoff(): Backoff {
  return createBackoff({ first: 100, longest: 5_000 })
}

/**
 * Waits before the next attempt.
 * @throws SpanwireError (as rejection) `aborted`
 */
export async function pauseFor(backoff: Backoff, signal: AbortSignal): Promise<void> {
  await pause(50 + backoff.next(), signal)
  if (signal.aborted) throw aborted()
}

/**
 * Resolves when the transport is open.
 * @throws SpanwireError (as rejection) `aborted`, `connection-closed`
 */
export function whenOpen(transport: Transport, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const check = () => {
    const { state } = transport.status
    if (state === 'open') resolve()
    if (state === 'closed') reject(new SpanwireError('connection-closed', 'The transport of the relay was closed.'))
  }
  const abort = () => reject(aborted())
  const release = transport.onStatus(check)
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  check()
  return promise.finally(() => {
    release()
    signal.removeEventListener('abort', abort)
  })
}

function aborted(): SpanwireError {
  return new SpanwireError('aborted', 'The relay was stopped.')
}
