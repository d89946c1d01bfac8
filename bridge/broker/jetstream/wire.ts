import type { UpstreamMessage } from '../../upstream/upstream.ts'

/** How streams reach the subscribers of their broker. */
export interface Wire {
  /**
   * Delivers to the subscriptions of `to`, whatever the message's own subject is; with `queue` only to that group.
   * Never from within the call.
   */
  send(to: string, message: UpstreamMessage, queue?: string): void
  /** Whether anybody subscribes to that subject; with `queue` in that group. */
  hears(subject: string, queue?: string): boolean
}

export const NO_BYTES: Uint8Array = new Uint8Array(0)
