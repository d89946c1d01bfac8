const INBOX = '_INBOX.'

/**
 * Where a client's subjects are at the broker.
 *
 * - With a subject prefix they are under it, and the client sees nothing of the prefix, neither in subjects nor in
 *   errors.
 * - Its inboxes are under a key of its own: `_INBOX.k3f9.1` is the broker's `_INBOX.<key>.k3f9.1`. Who answers a request
 *   learns that name and may publish there; but subscribing to it leads under the subscriber's own key, to nothing.
 */
export class SubjectScope {
  /** With its dot, or empty. */
  readonly prefix: string
  readonly #inboxes: string

  /** @param inboxKey unguessable, and the same as long as the connection lives */
  constructor(subjectPrefix: string | undefined, inboxKey: string) {
    this.prefix = subjectPrefix === undefined ? '' : `${subjectPrefix}.`
    this.#inboxes = `${this.prefix}${INBOX}${inboxKey}.`
  }

  /** Where a message of the client goes. */
  publishTo(subject: string): string {
    return this.prefix + subject
  }

  /** Where the client listens, or wants to be answered. */
  listenOn(filter: string): string {
    return filter.startsWith(INBOX) ? this.#inboxes + filter.slice(INBOX.length) : this.prefix + filter
  }

  /** The client's name of a broker's subject; undefined if it lies outside of the prefix. */
  toClient(subject: string): string | undefined {
    if (subject.startsWith(this.#inboxes)) return INBOX + subject.slice(this.#inboxes.length)
    return subject.startsWith(this.prefix) ? subject.slice(this.prefix.length) : undefined
  }

  /** The part of it that makes the names of a filter's messages differ between clients. */
  keyOf(filter: string): string {
    return filter.startsWith(INBOX) ? this.#inboxes : this.prefix
  }
}
