import { guard } from './guard.ts'

/** Listeners of a value that changes. */
export class Listeners<Value> {
  readonly #all = new Set<(value: Value) => unknown>()

  /** Adds a listener, also if it was added before. Returns a function that removes it. */
  add(listener: (value: Value) => unknown): () => void {
    const own = (value: Value) => listener(value)
    this.#all.add(own)
    return () => void this.#all.delete(own)
  }

  /** Calls all listeners. An error of one is passed to `onError`, and the others are still called. */
  emit(value: Value, onError: (error: unknown, value: Value) => void): void {
    for (const listener of [...this.#all]) guard(listener, onError, [value])
  }
}
