import { isThenable } from './kinds.ts'

/** Writes an error to the console. */
export function report(error: unknown): undefined {
  console.error('spanwire:', error)
}

/**
 * Calls a handler, then `done`. If the handler throws or rejects, `onError` is called with the error and the handler's
 * arguments.
 */
export function guard<Args extends unknown[]>(
  call: (...args: Args) => unknown,
  onError: (error: unknown, ...args: Args) => void,
  args: Args,
  done?: () => void,
): void {
  try {
    const result = call(...args)
    if (isThenable(result))
      return void Promise.resolve(result)
        .catch((error) => onError(error, ...args))
        .then(done)
  } catch (error) {
    onError(error, ...args)
  }
  done?.()
}
