import type { UpstreamMessage } from '../../upstream/upstream.ts'

/** The embedded broker, as its streams use it. */
export interface BrokerPort {
  /**
   * Delivers to subscribers of `to`, with any subject in the message. With `queue` to that queue group only. Never
   * delivers from within the call.
   */
  send(to: string, message: UpstreamMessage, queue?: string): void
  /** Whether there is interest in the subject; with `queue` in that queue group. */
  hasInterest(subject: string, queue?: string): boolean
}

export const NO_BYTES: Uint8Array = new Uint8Array(0)
