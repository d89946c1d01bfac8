/** How much may be published, on average and at once. */
export interface PublishRate {
  /** Per second. */
  readonly messages: number
  /** Headers and payload, per second. */
  readonly bytes: number
}

/** How long a client that publishes too fast is held before it is closed, in ms. */
export const PENALTY = 1_000

/** A token bucket of one second's worth of messages, and one of bytes (RFC 2697's way of counting, without its colours). */
export class RateMeter {
  readonly #rate: PublishRate
  #messages: number
  #bytes: number
  #at: number

  constructor(rate: PublishRate, now: number) {
    this.#rate = rate
    this.#messages = rate.messages
    this.#bytes = rate.bytes
    this.#at = now
  }

  /** Takes one message of `bytes` if there is room for it. */
  take(bytes: number, now: number): boolean {
    const seconds = Math.max(0, now - this.#at) / 1_000
    this.#at = Math.max(this.#at, now)
    this.#messages = Math.min(this.#rate.messages, this.#messages + seconds * this.#rate.messages)
    this.#bytes = Math.min(this.#rate.bytes, this.#bytes + seconds * this.#rate.bytes)
    if (this.#messages < 1 || this.#bytes < bytes) return false
    this.#messages -= 1
    this.#bytes -= bytes
    return true
  }

  /** Takes away what is left, and what would come in until then: being held must not earn another burst. */
  suspend(until: number): void {
    this.#messages = 0
    this.#bytes = 0
    this.#at = until
  }
}
