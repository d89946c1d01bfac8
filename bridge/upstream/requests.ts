import { SpanwireError } from '../../sdk/wire/errors.ts'
import type { Upstream, UpstreamMessage } from './upstream.ts'

/** Requests of the bridge itself, for clients that come by HTTP: one inbox, one upstream subscription for all. */
export class Requests {
  readonly #upstream: Upstream
  readonly #inbox = `_INBOX.${crypto.randomUUID().replaceAll('-', '')}`
  readonly #waiting = new Map<string, (message: UpstreamMessage) => void>()
  #unsubscribe: (() => void) | undefined

  constructor(upstream: Upstream) {
    this.#upstream = upstream
  }

  /**
   * Publishes a message with a reply subject and waits for the first answer.
   * @param timeout in ms
   * @throws SpanwireError (as rejection) `timeout`, `aborted`, `upstream-unavailable`
   */
  async request(
    message: Omit<UpstreamMessage, 'reply'>,
    timeout: number,
    signal?: AbortSignal,
  ): Promise<UpstreamMessage> {
    if (this.#upstream.state !== 'open')
      throw new SpanwireError('upstream-unavailable', 'NATS is out of reach for the moment: try again.')
    const reply = this.#address()
    const { promise, resolve, reject } = Promise.withResolvers<UpstreamMessage>()
    const late = setTimeout(() => reject(new SpanwireError('timeout', `No answer within ${timeout} ms.`)), timeout)
    const abort = () => reject(new SpanwireError('aborted', 'The client went away.'))
    signal?.addEventListener('abort', abort)
    this.#waiting.set(reply, resolve)
    try {
      this.#upstream.publish({ ...message, reply })
      return await promise
    } finally {
      this.#waiting.delete(reply)
      clearTimeout(late)
      signal?.removeEventListener('abort', abort)
    }
  }

  /**
   * Calls `run` when a message sent now comes back: after what was published before it, before what comes later.
   * Returns a function that stops waiting for it.
   */
  pass(run: () => void): () => void {
    const subject = this.#address()
    this.#waiting.set(subject, run)
    try {
      this.#upstream.publish({ subject, payload: new Uint8Array(0) })
    } catch {
      // The broker is away; whoever asked has another way out.
    }
    return () => void this.#waiting.delete(subject)
  }

  #address(): string {
    this.#unsubscribe ??= this.#upstream.subscribe(`${this.#inbox}.*`, undefined, (answer) =>
      this.#waiting.get(answer.subject)?.(answer),
    )
    // Whoever is asked sees the whole subject, and may be one that may publish to inboxes: it must not know the next.
    return `${this.#inbox}.${crypto.randomUUID().replaceAll('-', '')}`
  }

  close(): void {
    this.#unsubscribe?.()
  }
}
