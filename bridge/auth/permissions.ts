import { filtersOverlap, isSubsetFilter, matchesFilter } from '../../sdk/wire/subject.ts'

/** Subject filters that are allowed, and those that are not; deny wins. What neither names is denied. */
export interface SubjectRules {
  readonly allow: readonly string[]
  readonly deny: readonly string[]
}

/** What a client may do. The shape follows a NATS user JWT's `nats.pub` and `nats.sub`. */
export interface Permissions {
  readonly publish: SubjectRules
  readonly subscribe: SubjectRules
  /** If given, the client may publish to the reply subject of what it receives, whatever `publish` says. */
  readonly reply?: ReplyPermission
}

/** How often and how long a client may answer one message. A negative number stands for no limit. */
export interface ReplyPermission {
  readonly max: number
  /** In ms. */
  readonly ttl: number
}

/**
 * - `refused`: no
 * - `allowed`: yes, and every message of the filter may be delivered
 * - `withheld`: yes, but messages that {@link mayReceive} refuses must be held back
 */
export type SubscriptionVerdict = 'refused' | 'allowed' | 'withheld'

const INBOXES = '_INBOX.>'
/** The bridge's own subjects: hubs talk to each other there. No permission reaches them. */
const RESERVED = '$EDGE.>'
/** What no filter reaches into, however wide the permission. */
const CLOSED = [INBOXES, RESERVED]

/**
 * Whether `filter` lies under a literal inbox token, such as `_INBOX.k3f9.*`. That token is a client's own secret,
 * so these need no permission, and nothing else reaches into inboxes: one client can't read another's replies.
 */
function isOwnInbox(filter: string): boolean {
  const [prefix, token] = filter.split('.', 2)
  return prefix === '_INBOX' && token !== undefined && token !== '*' && token !== '>'
}

/** Whether `subject` is the bridge's own, so that no client may publish there, nor have others answer there. */
export function isReserved(subject: string): boolean {
  return matchesFilter(RESERVED, subject)
}

/** Whether a client may publish to `subject`. */
export function mayPublish(permissions: Permissions, subject: string): boolean {
  return !isReserved(subject) && permits(permissions.publish, subject)
}

/** Whether a client may be in a channel (publish) or see who is (subscribe), by the channel's own subject. */
export function mayBePresent(rules: SubjectRules, subject: string): boolean {
  return permits(rules, subject)
}

function permits({ allow, deny }: SubjectRules, subject: string): boolean {
  const names = (filter: string) => matchesFilter(filter, subject)
  return allow.some(names) && !deny.some(names)
}

/** Whether a client may subscribe to `filter`. As in nats-server, the whole filter must lie inside one allow. */
export function maySubscribe(permissions: Permissions, filter: string): SubscriptionVerdict {
  if (isOwnInbox(filter)) return 'allowed'
  const { allow, deny } = permissions.subscribe
  if (!allow.some((rule) => isSubsetFilter(filter, rule))) return 'refused'
  const closed = [...CLOSED, ...deny]
  if (closed.some((rule) => isSubsetFilter(filter, rule))) return 'refused'
  return closed.some((rule) => filtersOverlap(filter, rule)) ? 'withheld' : 'allowed'
}

/**
 * Whether others may answer a client's message on `reply`. They publish there with rights that it may not have: it must be
 * an inbox (which is the client's own, see SubjectScope), or its own to publish to or to read.
 */
export function mayBeAnswered(permissions: Permissions, reply: string): boolean {
  return matchesFilter(INBOXES, reply) || mayPublish(permissions, reply) || mayRead(permissions, reply)
}

/** Whether a client may have what is published on `subject`, by one way or another. No inbox, not even its own. */
export function mayRead(permissions: Permissions, subject: string): boolean {
  return permits(permissions.subscribe, subject) && mayReceive(permissions, subject)
}

/** Whether a client may publish everywhere but under `$EDGE`. */
export function mayPublishAll({ publish }: Permissions): boolean {
  return isEverything(publish)
}

/** Whether nothing is kept from a client but inboxes and `$EDGE`. */
export function mayDoAll({ publish, subscribe }: Permissions): boolean {
  return isEverything(publish) && isEverything(subscribe)
}

function isEverything({ allow, deny }: SubjectRules): boolean {
  return deny.length === 0 && allow.some((rule) => isSubsetFilter('>', rule))
}

/** Whether a message on `subject` may be delivered to a subscription whose verdict was `withheld`. */
export function mayReceive(permissions: Permissions, subject: string): boolean {
  return ![...CLOSED, ...permissions.subscribe.deny].some((rule) => matchesFilter(rule, subject))
}
