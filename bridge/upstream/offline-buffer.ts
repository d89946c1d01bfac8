import { SpanwireError } from '../../sdk/wire/errors.ts'
import type { UpstreamMessage } from './upstream.ts'

// What one message costs in memory beyond its bytes, so that a million empty ones are bounded as well.
const OVERHEAD = 128

/** Messages published while the broker is out of reach, in order, bounded in bytes. */
export class OfflineBuffer {
  readonly #maxBytes: number
  #messages: UpstreamMessage[] = []
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** @throws SpanwireError `upstream-unavailable` when there is no room */
  add(message: UpstreamMessage, size: number): void {
    const cost = size + message.subject.length + (message.reply?.length ?? 0) + OVERHEAD
    if (this.#bytes + cost > this.#maxBytes)
      throw new SpanwireError(
        'upstream-unavailable',
        `NATS is out of reach and the buffer of ${this.#maxBytes} bytes for that time is full: try again later.`,
      )
    // A copy: a view would keep the whole chunk alive that it was cut from.
    this.#messages.push({
      ...message,
      payload: message.payload.slice(),
      ...(message.headers && { headers: message.headers.slice() }),
    })
    this.#bytes += cost
  }

  /** Takes everything out. */
  drain(): readonly UpstreamMessage[] {
    const messages = this.#messages
    this.#messages = []
    this.#bytes = 0
    return messages
  }
}
