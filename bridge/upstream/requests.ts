import type { JetStreamLink, JetStreamMessage } from '../../sdk/jetstream/jetstream-link.ts'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import type { FairQueue } from '../budget/fair-queue.ts'
import type { Upstream, UpstreamMessage } from './upstream.ts'
import { isNoResponders } from './upstream-message.ts'

/** Requests of the bridge itself, for example for HTTP clients. One inbox and one upstream subscription serve all. */
export class Requests {
  readonly #upstream: Upstream
  readonly #inbox = newInbox()
  readonly #pending = new Map<string, (message: UpstreamMessage) => void>()
  #unsubscribe: (() => void) | undefined

  constructor(upstream: Upstream) {
    this.#upstream = upstream
  }

  /**
   * Publishes a message with a reply subject and resolves with the first reply.
   * @param timeout in ms
   * @throws SpanwireError (as rejection) `timeout`, `aborted`, `upstream-unavailable`
   */
  async request(
    message: Omit<UpstreamMessage, 'reply'>,
    timeout: number,
    signal?: AbortSignal,
  ): Promise<UpstreamMessage> {
    if (this.#upstream.state !== 'open')
      throw new SpanwireError('upstream-unavailable', 'NATS is unavailable at the moment. Try again.')
    const reply = this.#newReply()
    const { promise, resolve, reject } = Promise.withResolvers<UpstreamMessage>()
    const late = setTimeout(() => reject(new SpanwireError('timeout', `No reply within ${timeout} ms.`)), timeout)
    const abort = () => reject(new SpanwireError('aborted', 'The client closed the request.'))
    signal?.addEventListener('abort', abort)
    this.#pending.set(reply, resolve)
    try {
      this.#upstream.publish({ ...message, reply })
      return await promise
    } finally {
      this.#pending.delete(reply)
      clearTimeout(late)
      signal?.removeEventListener('abort', abort)
    }
  }

  /**
   * Publishes a message to the bridge itself, and calls `run` when it arrives: after all messages that were published
   * before it, and before later ones. Returns a function that cancels it, and returns whether there was still time.
   */
  afterEarlierMessages(run: () => void): () => boolean {
    const subject = this.#newReply()
    this.#pending.set(subject, () => {
      this.#pending.delete(subject)
      run()
    })
    try {
      this.#upstream.publish({ subject, payload: new Uint8Array(0) })
    } catch {
      // The broker is unavailable. The caller also waits for a flush, which fails in that case.
    }
    return () => this.#pending.delete(subject)
  }

  /**
   * Delivers a reply to its request. Returns false if there is none. The broker sends a 503 status to any subscription of
   * the bridge that matches the inbox, such as a client's `*.*.*`.
   */
  deliver(reply: UpstreamMessage): boolean {
    const resolve = this.#pending.get(reply.subject)
    resolve?.(reply)
    return resolve !== undefined
  }

  close(): void {
    this.#unsubscribe?.()
  }

  /** Unguessable: a responder sees this reply subject, may publish to inboxes, and must not know the next one. */
  #newReply(): string {
    this.#unsubscribe ??= this.#upstream.subscribe(`${this.#inbox}.*`, undefined, (reply) => this.deliver(reply))
    return `${this.#inbox}.${randomToken()}`
  }
}

/** A user whose requests take turns with the requests of other users. */
export interface RequestTurns {
  readonly queue: FairQueue
  readonly user: string
}

/** JetStream over an upstream. @param turns default: requests are sent at once */
export function createJetStreamLink(upstream: Upstream, requests: Requests, turns?: RequestTurns): JetStreamLink {
  return {
    async request(subject, payload, { timeout, signal }) {
      const request = () => requests.request({ subject, payload }, timeout, signal)
      const reply = await (turns ? turns.queue.run(turns.user, request, signal) : request())
      if (isNoResponders(reply)) throw new SpanwireError('no-responders', `${subject} has no responder.`)
      return toJetStreamMessage(reply)
    },
    subscribe: (filter, deliver) => upstream.subscribe(filter, undefined, (message) => deliver(copy(message))),
    publish(subject, payload, reply) {
      try {
        upstream.publish({ subject, payload, ...(reply !== undefined && { reply }) })
      } catch {
        // NATS is unavailable, or the bridge is closing. Callers that expect an effect have a timeout.
      }
    },
    newInbox,
  }
}

function newInbox(): string {
  return `_INBOX.${randomToken()}`
}

function randomToken(): string {
  return crypto.randomUUID().replaceAll('-', '')
}

/** Messages of streams are kept. A view would keep the whole chunk of the connection alive. */
function copy(message: UpstreamMessage): JetStreamMessage {
  const { headers, payload } = message
  return toJetStreamMessage({ ...message, payload: payload.slice(), ...(headers && { headers: headers.slice() }) })
}

function toJetStreamMessage({ subject, reply, headers, payload }: UpstreamMessage): JetStreamMessage {
  return { subject, ...(reply !== undefined && { reply }), ...(headers && { headerBlock: headers }), payload }
}
