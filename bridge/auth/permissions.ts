import { filtersOverlap, isSubsetFilter, matchesFilter } from '../../sdk/wire/subject.ts'

/** Rules for subjects. Deny takes precedence. Subjects without a rule are denied. */
export interface SubjectRules {
  /** Allowed subject filters. */
  readonly allow: readonly string[]
  /** Denied subject filters. */
  readonly deny: readonly string[]
}

/** Permissions of a client, in the structure of a NATS user JWT (`nats.pub`, `nats.sub`, `nats.resp`). */
export interface Permissions {
  /** Subjects to which it may publish. */
  readonly publish: SubjectRules
  /** Subjects to which it may subscribe. */
  readonly subscribe: SubjectRules
  /** Permission to publish to reply subjects of received messages, in addition to `publish`. Default: none. */
  readonly reply?: ReplyPermission
}

/** Permission to answer one message. A negative number means no limit. */
export interface ReplyPermission {
  /** Number of replies. */
  readonly max: number
  /** Time to reply, in ms. */
  readonly ttl: number
}

/**
 * - `refused`: the client must not subscribe.
 * - `allowed`: it may subscribe, and may get all messages of the filter.
 * - `withheld`: it may subscribe, but must not get messages that {@link mayReceive} refuses.
 */
export type SubscriptionVerdict = 'refused' | 'allowed' | 'withheld'

/** Beginning of inboxes. */
export const INBOX = '_INBOX.'
const INBOXES = `${INBOX}>`
/** Subjects of the bridge, with messages between hubs. No permission includes them. */
const RESERVED_PREFIX = '$EDGE.'
const RESERVED = `${RESERVED_PREFIX}>`
/** Subjects that no permission includes by a wildcard. */
const CLOSED = [INBOXES, RESERVED]

/**
 * Whether `filter` is under a literal inbox token, such as `_INBOX.k3f9.*`. The token is a secret of the client, so such a
 * filter needs no permission. No other filter includes inboxes, so a client can't read the replies of another one.
 */
export function isOwnInbox(filter: string): boolean {
  const [prefix, token] = filter.split('.', 2)
  return prefix === '_INBOX' && token !== undefined && token !== '*' && token !== '>'
}

/** Whether `subject` is reserved for the bridge. Clients must not publish to it, nor use it as a reply subject. */
export function isReserved(subject: string): boolean {
  return matchesFilter(RESERVED, subject)
}

/** Whether a client may publish to `subject`. If it ends with a filter for JetStream, all of that must be allowed. */
export function mayPublish(permissions: Permissions, subject: string): boolean {
  return !isReserved(subject) && permits(permissions.publish, subject)
}

/** Whether a client may join a channel (publish rules) or watch it (subscribe rules). @param subject of the channel */
export function mayBePresent(rules: SubjectRules, subject: string): boolean {
  return permits(rules, subject)
}

function permits({ allow, deny }: SubjectRules, subject: string): boolean {
  return allow.some((rule) => matchesFilter(rule, subject)) && !deny.some((rule) => filtersOverlap(rule, subject))
}

/** Checks a subscription to `filter`. As in nats-server, the whole filter must be inside one allow. */
export function maySubscribe(permissions: Permissions, filter: string): SubscriptionVerdict {
  if (isOwnInbox(filter)) return 'allowed'
  const { allow, deny } = permissions.subscribe
  if (!allow.some((rule) => isSubsetFilter(filter, rule))) return 'refused'
  const closed = [...CLOSED, ...deny]
  if (closed.some((rule) => isSubsetFilter(filter, rule))) return 'refused'
  return closed.some((rule) => filtersOverlap(filter, rule)) ? 'withheld' : 'allowed'
}

/**
 * Checks a SUB with a queue group. Each message of the group has one receiver: a member must not take messages that it is
 * denied.
 */
export function mayJoinQueue(permissions: Permissions, filter: string): SubscriptionVerdict {
  const isDenied = permissions.subscribe.deny.some((rule) => filtersOverlap(filter, rule))
  return isDenied ? 'refused' : maySubscribe(permissions, filter)
}

/**
 * Whether a client may use `reply` as a reply subject. Responders may have permissions that the client lacks. So it must be
 * an inbox (always the client's own, see SubjectScope), or a subject that the client may publish to or read. Deny takes
 * precedence: a responder must not publish for the client where the client must not.
 */
export function mayBeAnswered(permissions: Permissions, reply: string): boolean {
  if (matchesFilter(INBOXES, reply)) return true
  if (permissions.publish.deny.some((rule) => matchesFilter(rule, reply))) return false
  return mayPublish(permissions, reply) || mayRead(permissions, reply)
}

/** Whether a client may receive messages of `subject` by some filter. False for inboxes, including its own. */
export function mayRead(permissions: Permissions, subject: string): boolean {
  return permits(permissions.subscribe, subject) && mayReceive(permissions, subject)
}

/** Whether a client may publish to all subjects except `$EDGE.>`. */
export function mayPublishAll({ publish }: Permissions): boolean {
  return isEverything(publish)
}

/** Whether a client has all permissions, except for inboxes and `$EDGE.>`. */
export function mayDoAll({ publish, subscribe }: Permissions): boolean {
  return isEverything(publish) && isEverything(subscribe)
}

function isEverything({ allow, deny }: SubjectRules): boolean {
  return deny.length === 0 && allow.some((rule) => isSubsetFilter('>', rule))
}

/** Whether no permission includes `subject` by a wildcard: it is an inbox, or reserved for the bridge. */
export function isClosed(subject: string): boolean {
  // Not `matchesFilter`: the hub calls this for each message.
  return subject.startsWith(INBOX) || subject.startsWith(RESERVED_PREFIX)
}

/** Whether a client may get a message of `subject` from a subscription with the verdict `withheld`. */
export function mayReceive(permissions: Permissions, subject: string): boolean {
  return !isClosed(subject) && !permissions.subscribe.deny.some((rule) => matchesFilter(rule, subject))
}
