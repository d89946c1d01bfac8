/** A publish rate, with a burst of one second. */
export interface PublishRate {
  /** Messages per second. */
  readonly messages: number
  /** Bytes of headers and payloads per second. */
  readonly bytes: number
}

/** Delay before a client that publishes too fast is closed, in ms. */
export const PENALTY = 1_000

/** Two token buckets of one second, for messages and for bytes (as in RFC 2697, without its colors). */
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

  /** Counts one message of `bytes`. Returns whether it is within the rate. */
  take(bytes: number, now: number): boolean {
    this.#refill(now)
    if (this.#messages < 1 || this.#bytes < bytes) return false
    this.#messages -= 1
    this.#bytes -= bytes
    return true
  }

  /** Counts work that was done already, as bytes. No message is within the rate until it is paid. */
  charge(bytes: number, now: number): void {
    this.#refill(now)
    this.#bytes -= bytes
  }

  /** Whether a charge is not paid. */
  isInDebt(now: number): boolean {
    this.#refill(now)
    return this.#bytes < 0
  }

  /** Empties the buckets until that time, so that a delay does not lead to another burst. */
  suspend(until: number): void {
    this.#messages = 0
    this.#bytes = Math.min(0, this.#bytes)
    this.#at = until
  }

  #refill(now: number): void {
    const seconds = Math.max(0, now - this.#at) / 1_000
    this.#at = Math.max(this.#at, now)
    this.#messages = Math.min(this.#rate.messages, this.#messages + seconds * this.#rate.messages)
    this.#bytes = Math.min(this.#rate.bytes, this.#bytes + seconds * this.#rate.bytes)
  }
}
