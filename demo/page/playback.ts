import type { Delivery } from './live.ts'

/** Speed of the replay, as a multiple of real time. */
const SPEED = 60
/** Longest pause between two replayed events, in ms. */
const LONGEST = 200

/** Paces replayed events as they were published, but faster, until the replay reaches the live events. */
export class Playback {
  #last: number | undefined

  /** Resolves when an event may be shown. */
  async until(time: number, delivery: Delivery, signal: AbortSignal): Promise<void> {
    const isPaced = delivery === 'replay' || delivery === 'late'
    const wait = isPaced && this.#last !== undefined ? (time - this.#last) / SPEED : 0
    this.#last = time
    // Shorter than the resolution of timers: these events are shown together.
    if (wait < 4 || signal.aborted) return
    await new Promise((resolve) => setTimeout(resolve, Math.min(wait, LONGEST)))
  }
}
