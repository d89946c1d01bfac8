import process from 'node:process'

/** A signal that ends a command which would run for ever: Ctrl-C, or a supervisor's SIGTERM. */
export function stopSignal(): AbortSignal {
  const stopping = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      // A second Ctrl-C does not wait.
      if (stopping.signal.aborted && signal === 'SIGINT') process.exit(130)
      stopping.abort(signal)
    })
  }
  return stopping.signal
}

/** Resolves when the signal is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
