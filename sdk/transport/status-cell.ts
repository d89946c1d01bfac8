import { Listeners } from '../kit/listeners.ts'
import type { SpanwireError } from '../wire/errors.ts'
import type { ConnectionState, ConnectionStatus } from './transport.ts'

/** A transport's status and who listens to it. */
export class StatusCell {
  readonly #listeners = new Listeners<ConnectionStatus>()
  status: ConnectionStatus

  constructor(state: ConnectionState) {
    this.status = { state }
  }

  listen(listener: (status: ConnectionStatus) => void): () => void {
    return this.#listeners.add(listener)
  }

  /** Tells the listeners, if anything changed. */
  set(state: ConnectionState, error?: SpanwireError): void {
    const { status } = this
    if (status.state === state && status.reason?.message === error?.message) return
    this.status = error ? { state, reason: { code: error.code, message: error.message } } : { state }
    this.#listeners.tell(this.status, (cause) => console.error('spanwire:', cause))
  }
}
