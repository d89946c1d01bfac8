import type { UpstreamState } from './upstream.ts'

/** The state of an upstream and those who want to hear of its changes. */
export class StateCell {
  readonly #listeners = new Set<(state: UpstreamState) => void>()
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
    for (const listener of [...this.#listeners]) {
      try {
        listener(state)
      } catch {
        // One listener's fault must not keep the others, or the connection, from going on.
      }
    }
    if (state === 'closed') this.#listeners.clear()
  }

  listen(listener: (state: UpstreamState) => void): () => void {
    const own = (state: UpstreamState) => listener(state)
    this.#listeners.add(own)
    return () => void this.#listeners.delete(own)
  }
}
