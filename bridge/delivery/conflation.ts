import type { UpstreamMessage } from '../upstream/upstream.ts'
import type { SubscriptionOwner } from './subscription.ts'

/** What a held message costs beside its bytes. */
const OVERHEAD = 200

/** Keeps only the newest message of each subject while a client is behind. */
export class Conflation {
  readonly #owner: SubscriptionOwner
  /** Bytes that a client may leave unread before it is behind; and as much is held. */
  readonly #limit: number
  readonly #held = new Map<string, UpstreamMessage>()
  #bytes = 0

  constructor(owner: SubscriptionOwner, limit: number) {
    this.#owner = owner
    this.#limit = limit
  }

  /**
   * Whether `message` waits until the client has caught up, or a newer one takes its place.
   * @param send called with what is left then, in the order in which it came
   */
  holds(message: UpstreamMessage, send: (message: UpstreamMessage) => void): boolean {
    if (this.#held.size === 0) {
      if (this.#owner.unread < this.#limit) return false
      this.#owner.whenRead(this.#limit, () => this.#release(send))
    }
    const { subject, payload, headers } = message
    const before = this.#held.get(subject)
    if (before) this.#bytes -= sizeOf(before)
    this.#held.delete(subject)
    // A copy: the bytes are a part of a much larger buffer.
    this.#held.set(subject, { ...message, payload: payload.slice(), ...(headers && { headers: headers.slice() }) })
    this.#bytes += sizeOf(message)
    // More subjects than there is room for: it gets them, and is a slow consumer if it doesn't read.
    if (this.#bytes > this.#limit) this.#release(send)
    return true
  }

  #release(send: (message: UpstreamMessage) => void): void {
    const messages = [...this.#held.values()]
    this.#held.clear()
    this.#bytes = 0
    for (const message of messages) send(message)
  }
}

function sizeOf({ subject, payload, headers }: UpstreamMessage): number {
  return OVERHEAD + subject.length + payload.length + (headers?.length ?? 0)
}
