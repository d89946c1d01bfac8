import { SpanwireError } from '../../sdk/wire/errors.ts'
import { UserBytes } from '../budget/user-bytes.ts'
import type { UpstreamMessage } from './upstream.ts'

// Memory of a message in addition to its bytes, so that empty messages are bounded as well.
const OVERHEAD = 128

/** Messages that were published while NATS is unavailable, in order. Bounded in bytes. */
export class OfflineBuffer {
  readonly #maxBytes: number
  readonly #users: UserBytes
  #messages: UpstreamMessage[] = []
  #bytes = 0

  /** @param maxBytesPerUser default: an eighth of all */
  constructor(maxBytes: number, maxBytesPerUser: number = maxBytes / 8) {
    this.#maxBytes = maxBytes
    this.#users = new UserBytes(maxBytesPerUser)
  }

  /**
   * @param user sender of the message, with a share. Undefined: the bridge itself, without one
   * @throws SpanwireError `upstream-unavailable` if it is full, or the user's share is used up
   */
  add(message: UpstreamMessage, size: number, user?: string): void {
    const cost = size + message.subject.length + (message.reply?.length ?? 0) + OVERHEAD
    if (this.#bytes + cost > this.#maxBytes)
      throw new SpanwireError(
        'upstream-unavailable',
        `NATS is unavailable, and the buffer of ${this.#maxBytes} bytes is full. Try again later.`,
      )
    if (user !== undefined && !this.#users.add(user, cost))
      throw new SpanwireError(
        'upstream-unavailable',
        `NATS is unavailable, and this user's ${this.#users.max} bytes of the buffer are full. Try again later.`,
      )
    // A copy: a view would keep the whole chunk of the connection alive.
    this.#messages.push({
      ...message,
      payload: message.payload.slice(),
      ...(message.headers && { headers: message.headers.slice() }),
    })
    this.#bytes += cost
  }

  /** Removes and returns all messages. */
  drain(): readonly UpstreamMessage[] {
    const messages = this.#messages
    this.#messages = []
    this.#bytes = 0
    this.#users.clear()
    return messages
  }
}
