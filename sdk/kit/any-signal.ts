/**
 * A signal that aborts with the first of several, for as long as `end` was not called.
 * `AbortSignal.any` is newer than the oldest browsers that are supported.
 */
export function anySignal(...signals: Array<AbortSignal | undefined>): {
  readonly signal: AbortSignal
  end(): void
} {
  const over = new AbortController()
  const listeners = signals.map((signal) => {
    const abort = () => over.abort(signal?.reason)
    if (signal?.aborted) abort()
    signal?.addEventListener('abort', abort)
    return () => signal?.removeEventListener('abort', abort)
  })
  return {
    signal: over.signal,
    end() {
      for (const stop of listeners) stop()
    },
  }
}
