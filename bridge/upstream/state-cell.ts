import { Listeners } from '../../sdk/kit/listeners.ts'
import type { UpstreamState } from './upstream.ts'

/** The state of an upstream and those who want to hear of its changes. */
export class StateCell {
  #listeners = new Listeners<UpstreamState>()
  #state: UpstreamState

  constructor(state: UpstreamState) {
    this.#state = state
  }

  get state(): UpstreamState {
    return this.#state
  }

  /** Changes the state and tells everyone, unless it is that already. `closed` is for good. */
  set(state: UpstreamState): void {
    if (state === this.#state || this.#state === 'closed') return
    this.#state = state
    // One listener's fault must not keep the others, or the connection, from going on.
    this.#listeners.emit(state, () => {})
    if (state === 'closed') this.#listeners = new Listeners()
  }

  listen(listener: (state: UpstreamState) => void): () => void {
    return this.#listeners.add(listener)
  }
}
