import { report } from '../kit/guard.ts'
import { Listeners } from '../kit/listeners.ts'
import type { SpanwireError } from '../wire/errors.ts'
import type { ConnectionState, ConnectionStatus } from './transport.ts'

/** {@link ConnectionState}, and `stalled`: the bridge is connected and has lost NATS. */
export type Phase = ConnectionState | 'stalled'

/** Returns the phase after an event. A closed client stays closed. A client that never connected is not reconnecting. */
export function transition(phase: Phase, next: Exclude<Phase, 'connecting'>): Phase {
  return phase === 'closed' || (phase === 'connecting' && next === 'reconnecting') ? phase : next
}

/** A transport's phase, its public status, and the listeners of the status. */
export class StatusCell {
  readonly #listeners = new Listeners<ConnectionStatus>()
  declare phase: Phase
  declare status: ConnectionStatus

  constructor(state: ConnectionState) {
    this.phase = state
    this.status = { state }
  }

  listen(listener: (status: ConnectionStatus) => void): () => void {
    return this.#listeners.add(listener)
  }

  /** Enters a phase. Calls the listeners if the status changed. */
  set(next: Exclude<Phase, 'connecting'>, error?: SpanwireError): void {
    const { status } = this
    this.phase = transition(this.phase, next)
    const state = this.phase === 'stalled' ? 'reconnecting' : this.phase
    if (status.state === state && status.reason?.message === error?.message) return
    this.status = error ? { state, reason: { code: error.code, message: error.message } } : { state }
    this.#listeners.emit(this.status, report)
  }
}
