import { backoff } from '../../sdk/kit/backoff.ts'
import type { Transport } from '../../sdk/transport/transport.ts'
import { SpanwireError } from '../../sdk/wire/errors.ts'

/** Waits, with full jitter, before attempt `attempt` (from 0): at most 5 s. @throws SpanwireError `aborted` */
export function pauseBefore(attempt: number, signal: AbortSignal): Promise<void> {
  return sleep(50 + backoff(attempt, { first: 100, longest: 5_000 }, Math.random), signal)
}

/** Resolves when the transport is open. @throws SpanwireError `aborted`, `connection-closed` */
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

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer)
      reject(aborted())
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', abort)
      resolve()
    }, ms)
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
  })
}

function aborted(): SpanwireError {
  return new SpanwireError('aborted', 'The relay was stopped.')
}
