import { MAX_TIMER } from '../../../sdk/kit/max-timer.ts'

/** A timer that does not keep the process alive. */
export class WakeTimer {
  readonly #wake: () => void
  #timer: ReturnType<typeof setTimeout> | undefined
  #at = Number.POSITIVE_INFINITY

  constructor(wake: () => void) {
    this.#wake = wake
  }

  /** Replaces the time. @param at in ms since 1970; infinity for none */
  set(at: number, now: number): void {
    if (at === this.#at) return
    this.stop()
    if (at === Number.POSITIVE_INFINITY) return
    this.#at = at
    this.#timer = setTimeout(
      () => {
        this.#at = Number.POSITIVE_INFINITY
        this.#wake()
      },
      Math.min(Math.max(at - now, 0), MAX_TIMER),
    )
    Object(this.#timer).unref?.()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#at = Number.POSITIVE_INFINITY
  }
}
