import type { SpanwireError } from '../errors.ts'
import type { ConnectionState, ConnectionStatus } from './transport.ts'

/** A transport's status and who listens to it. */
export class StatusCell {
  readonly #listeners = new Set<(status: ConnectionStatus) => void>()
  status: ConnectionStatus

  constructor(state: ConnectionState) {
    this.status = { state }
  }

  listen(listener: (status: ConnectionStatus) => void): () => void {
    // Each call counts for itself, also with a listener that is there already.
    const own = (status: ConnectionStatus) => listener(status)
    this.#listeners.add(own)
    return () => void this.#listeners.delete(own)
  }

  /** Tells the listeners, if anything changed. One that throws doesn't keep it from the others. */
  set(state: ConnectionState, error?: SpanwireError): void {
    const { status } = this
    if (status.state === state && status.reason?.message === error?.message) return
    this.status = error ? { state, reason: { code: error.code, message: error.message } } : { state }
    for (const listener of [...this.#listeners]) {
      try {
        listener(this.status)
      } catch (cause) {
        console.error('spanwire:', cause)
      }
    }
  }
}
