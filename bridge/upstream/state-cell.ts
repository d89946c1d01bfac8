import { Listeners } from '../../sdk/kit/listeners.ts'
import type { UpstreamState } from './upstream.ts'

/** The state of an upstream, and listeners to its changes. */
export class StateCell {
  #listeners = new Listeners<UpstreamState>()
  #state: UpstreamState

  constructor(state: UpstreamState) {
    this.#state = state
  }

  get state(): UpstreamState {
    return this.#state
  }

  /** Changes the state and notifies listeners, unless it is the same. `closed` is final. */
  set(state: UpstreamState): void {
    if (state === this.#state || this.#state === 'closed') return
    this.#state = state
    // An error of a listener must not affect other listeners or the connection.
    this.#listeners.emit(state, () => {})
    if (state === 'closed') this.#listeners = new Listeners()
  }

  listen(listener: (state: UpstreamState) => void): () => void {
    return this.#listeners.add(listener)
  }
}
