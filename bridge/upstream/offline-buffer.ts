import { SpanwireError } from '../../sdk/wire/errors.ts'
import type { UpstreamMessage } from './upstream.ts'

// Memory of a message in addition to its bytes, so that empty messages are bounded as well.
const OVERHEAD = 128

/** Messages that were published while NATS is unavailable, in order. Bounded in bytes. */
export class OfflineBuffer {
  readonly #maxBytes: number
  #messages: UpstreamMessage[] = []
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** @throws SpanwireError `upstream-unavailable` if it is full */
  add(message: UpstreamMessage, size: number): void {
    const cost = size + message.subject.length + (message.reply?.length ?? 0) + OVERHEAD
    if (this.#bytes + cost > this.#maxBytes)
      throw new SpanwireError(
        'upstream-unavailable',
        `NATS is unavailable, and the buffer of ${this.#maxBytes} bytes is full. Try again later.`,
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
    return messages
  }
}
