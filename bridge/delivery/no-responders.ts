import { INBOX } from '../auth/permissions.ts'
import type { UpstreamMessage } from '../upstream/upstream.ts'

/** A client that publishes requests. */
export interface Requester {
  /** Beginning of its inboxes at the broker; see {@link SubjectScope}. */
  readonly inboxes: string
  /** Delivers a 503 status to one of its subscriptions, unless it did not ask for such statuses. */
  deliverStatus(message: UpstreamMessage): void
}

/** Reply subjects of one client, other than inboxes, that may still get a status. Older ones are forgotten. */
const MAX_REPLIES = 64
/** Characters of an inbox key and the dot after it. */
const KEY = 33

/**
 * Finds the client that a 503 status is for. nats-server sends it to the connection of the request, which all clients share:
 * other clients that subscribe to the reply subject must not get it, and the requester must get it once.
 */
export class NoResponders {
  readonly #byInboxes = new Map<string, Requester>()
  readonly #byReply = new Map<string, Requester>()
  readonly #replies = new Map<Requester, Set<string>>()

  add(requester: Requester): void {
    this.#byInboxes.set(requester.inboxes, requester)
  }

  remove(requester: Requester): void {
    this.#byInboxes.delete(requester.inboxes)
    for (const reply of this.#replies.get(requester) ?? []) this.#forget(requester, reply)
    this.#replies.delete(requester)
  }

  /** A client has published a request. @param reply subject at the broker */
  expect(requester: Requester, reply: string): void {
    if (reply.startsWith(requester.inboxes)) return
    const replies = this.#replies.get(requester) ?? new Set()
    this.#replies.set(requester, replies)
    // Begins again at the end.
    replies.delete(reply)
    replies.add(reply)
    this.#byReply.set(reply, requester)
    const [oldest] = replies
    if (replies.size > MAX_REPLIES && oldest !== undefined) this.#forget(requester, oldest)
  }

  /** Delivers a 503 status to its requester. Returns false if no client of this hub has published such a request. */
  deliver(message: UpstreamMessage): boolean {
    const { subject } = message
    const requester = this.#byInboxes.get(inboxesOf(subject)) ?? this.#byReply.get(subject)
    if (!requester) return false
    this.#forget(requester, subject)
    requester.deliverStatus(message)
    return true
  }

  #forget(requester: Requester, reply: string): void {
    this.#replies.get(requester)?.delete(reply)
    if (this.#byReply.get(reply) === requester) this.#byReply.delete(reply)
  }
}

function inboxesOf(subject: string): string {
  return subject.slice(0, subject.indexOf(INBOX) + INBOX.length + KEY)
}
