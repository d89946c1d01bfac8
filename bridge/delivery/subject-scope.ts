const INBOX = '_INBOX.'

/**
 * Maps the subjects of a client to the broker's.
 *
 * - With a subject prefix, all of the client's subjects are under it at the broker. The client never sees the prefix.
 * - The client's inboxes are under a key of its own: `_INBOX.k3f9.1` is `_INBOX.<key>.k3f9.1` at the broker. A responder
 *   sees that name and may publish to it. A subscription to it maps to the subscriber's own key, and so gets nothing.
 */
export class SubjectScope {
  /** The subject prefix with its dot, or empty. */
  readonly prefix: string
  readonly #inboxes: string

  /** @param inboxKey unguessable, and constant for the connection */
  constructor(subjectPrefix: string | undefined, inboxKey: string) {
    this.prefix = subjectPrefix === undefined ? '' : `${subjectPrefix}.`
    this.#inboxes = `${this.prefix}${INBOX}${inboxKey}.`
  }

  /** The broker's subject for a publish of the client. */
  publishTo(subject: string): string {
    return this.prefix + subject
  }

  /** The broker's subject for a filter or reply subject of the client. */
  listenOn(filter: string): string {
    return filter.startsWith(INBOX) ? this.#inboxes + filter.slice(INBOX.length) : this.prefix + filter
  }

  /** The client's subject for a subject of the broker. Undefined outside of the prefix. */
  toClient(subject: string): string | undefined {
    if (subject.startsWith(this.#inboxes)) return INBOX + subject.slice(this.#inboxes.length)
    return subject.startsWith(this.prefix) ? subject.slice(this.prefix.length) : undefined
  }

  /** Clients with equal keys see the same subjects in messages of a filter. */
  keyOf(filter: string): string {
    return filter.startsWith(INBOX) ? this.#inboxes : this.prefix
  }
}
