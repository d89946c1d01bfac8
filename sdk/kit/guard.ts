/** Writes an error that has no other recipient to the console. */
export function report(error: unknown): undefined {
  console.error('spanwire:', error)
}

/** Calls a handler; what it throws, now or later, goes to `onError`, with what it was called with. Then `done`. */
export function guard<Args extends unknown[]>(
  call: (...args: Args) => unknown,
  onError: (error: unknown, ...args: Args) => void,
  args: Args,
  done?: () => void,
): void {
  try {
    const result = call(...args)
    if (result instanceof Promise) return void result.catch((error) => onError(error, ...args)).then(done)
  } catch (error) {
    onError(error, ...args)
  }
  done?.()
}
