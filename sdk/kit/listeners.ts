import { guard } from './guard.ts'

/** Who wants to hear of something. */
export class Listeners<Value> {
  readonly #all = new Set<(value: Value) => unknown>()

  /** Each call counts for itself, also with a listener that is there already. Returns what ends it. */
  add(listener: (value: Value) => unknown): () => void {
    const own = (value: Value) => listener(value)
    this.#all.add(own)
    return () => void this.#all.delete(own)
  }

  /** What one of them throws goes to `onError`, and doesn't keep it from the others. */
  tell(value: Value, onError: (error: unknown, value: Value) => void): void {
    for (const listener of [...this.#all]) guard(listener, onError, [value])
  }
}
