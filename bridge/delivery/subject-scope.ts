import { INBOX } from '../auth/permissions.ts'

const BRIDGE_INBOX = /^_INBOX\.[0-9a-f]{32}\./

/**
 * Whether a subject is under a key of a bridge: a client learned it as a reply subject, and it belongs to another client.
 * No client of NATS chooses such names for its own inboxes.
 */
export function isBridgeInbox(subject: string): boolean {
  return BRIDGE_INBOX.test(subject)
}

/**
 * Maps the subjects of a client to the broker's.
 *
 * - With a subject prefix, all of the client's subjects are under it at the broker. The client never sees the prefix.
 * - The client's inboxes are under a key of its own: `_INBOX.k3f9.1` is `_INBOX.<key>.k3f9.1` at the broker. A responder
 *   sees that name and may publish to it. A subscription to it is refused, and maps to the subscriber's own key.
 */
export class SubjectScope {
  /** The subject prefix with its dot, or empty. */
  readonly prefix: string
  /** Secret token of the client's inboxes. */
  readonly inboxKey: string
  /** Beginning of the client's inboxes at the broker. */
  readonly inboxes: string
  #isUsed = false

  /** @param inboxKey unguessable, 32 hexadecimal digits, and constant for the connection */
  constructor(subjectPrefix: string | undefined, inboxKey: string) {
    this.prefix = subjectPrefix === undefined ? '' : `${subjectPrefix}.`
    this.inboxKey = inboxKey
    this.inboxes = `${this.prefix}${INBOX}${inboxKey}.`
  }

  /** The broker's subject for a publish of the client. */
  publishTo(subject: string): string {
    return this.prefix + subject
  }

  /** The broker's subject for a filter or reply subject of the client. */
  listenOn(filter: string): string {
    if (!filter.startsWith(INBOX)) return this.prefix + filter
    this.#isUsed = true
    return this.inboxes + filter.slice(INBOX.length)
  }

  /** Whether the client has used an inbox, so that its key must stay. */
  get isUsed(): boolean {
    return this.#isUsed
  }

  /** Whether a subject of the broker is an inbox of the client. */
  isOwnInbox(subject: string): boolean {
    return subject.startsWith(this.inboxes)
  }

  /** The client's subject for a subject of the broker. Undefined outside of the prefix. */
  toClient(subject: string): string | undefined {
    // Most subjects: this is called for each message.
    if (this.prefix === '' && !subject.startsWith(INBOX)) return subject
    if (this.isOwnInbox(subject)) return INBOX + subject.slice(this.inboxes.length)
    return subject.startsWith(this.prefix) ? subject.slice(this.prefix.length) : undefined
  }

  /** Clients with equal keys see the same subjects in messages of a filter. */
  keyOf(filter: string): string {
    return filter.startsWith(INBOX) ? this.inboxes : this.prefix
  }
}
