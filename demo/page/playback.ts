/** How much faster than it was the past is shown. */
const SPEED = 60
/** A pause in the past isn't waited for longer, in ms. */
const LONGEST = 200

/** Shows what happened at the pace at which it happened, only faster, until it meets what happens now. */
export class Playback {
  #last: number | undefined

  /** Resolves when an event may be shown. @param isLive whether it was delivered as it was published */
  async until(time: number, isLive: boolean | undefined, signal: AbortSignal): Promise<void> {
    const wait = isLive === false && this.#last !== undefined ? (time - this.#last) / SPEED : 0
    this.#last = time
    // Timers are no finer; what is shorter comes in one go.
    if (wait < 4 || signal.aborted) return
    await new Promise((resolve) => setTimeout(resolve, Math.min(wait, LONGEST)))
  }
}
