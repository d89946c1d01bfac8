import { splitFilters } from '../../sdk/wire/filter-list.ts'
import { isSubject, isSubjectFilter, matchesFilter } from '../../sdk/wire/subject.ts'
import { isOwnInbox, type SubscriptionVerdict } from '../auth/permissions.ts'
import type { Client } from '../delivery/client.ts'
import type { Requester } from '../delivery/no-responders.ts'
import type { SendQueue } from '../delivery/send-queue.ts'
import type { SubscriptionSnapshot } from '../delivery/session-snapshot.ts'
import { isBridgeInbox } from '../delivery/subject-scope.ts'
import { Subscription, type SubscriptionOwner } from '../delivery/subscription.ts'
import type { SubscribeOp } from '../delivery/topic.ts'
import type { SharedUpstream } from '../upstream/shared-upstream.ts'
import type { UpstreamMessage } from '../upstream/upstream.ts'
import type { Refusal } from './refusal.ts'
import type { SessionHub } from './session-hub.ts'

type SubscriptionServices = Pick<SessionHub, 'limits' | 'topics'>

/** A client's subscriptions, by sid. This is where a SUB is checked. */
export class Subscriptions implements SubscriptionOwner, Requester {
  readonly client: Client
  readonly sendQueue: SendQueue
  readonly #hub: SubscriptionServices
  readonly #bySid = new Map<string, Subscription>()
  /** Those to inboxes of the client. Undefined before the first: many clients make no requests. */
  #inboxes: Set<Subscription> | undefined
  readonly #session: { changed(): void }
  branch: SharedUpstream | undefined
  /** Operation of the last SUB or UNSUB; see {@link SharedUpstream.confirm}. */
  lastOperation = 0
  /** Messages of subscriptions that have ended. */
  #pastDelivered = 0
  /** Approximate memory of all subscriptions, in bytes. */
  memory = 0

  constructor(hub: SubscriptionServices, client: Client, sendQueue: SendQueue, session: { changed(): void }) {
    this.#hub = hub
    this.client = client
    this.sendQueue = sendQueue
    this.#session = session
  }

  get size(): number {
    return this.#bySid.size
  }

  /** The state of a subscription has changed. */
  changed(): void {
    this.#session.changed()
  }

  /** Subjects of all SUBs, as the client sent them. */
  get subjects(): string[] {
    return [...this.#bySid.values()].map(({ subject }) => subject)
  }

  /** Messages of all subscriptions, including ended ones. */
  get delivered(): number {
    let sum = this.#pastDelivered
    for (const { delivered } of this.#bySid.values()) sum += delivered
    return sum
  }

  /** Second tokens of the inboxes that the client subscribes to. */
  get inboxNames(): Set<string> {
    return new Set(Array.from(this.#inboxes ?? []).map(({ filter }) => nameOfInbox(filter)))
  }

  /** Whether the client subscribes to an inbox, which it may publish to by its own name. */
  hasInbox(subject: string): boolean {
    for (const { filter } of this.#inboxes ?? []) if (matchesFilter(filter, subject)) return true
    return false
  }

  get inboxes(): string {
    return this.client.scope.inboxes
  }

  deliverStatus(message: UpstreamMessage): void {
    if (!this.client.flags.noResponders) return
    for (const subscription of this.#bySid.values()) {
      const { topic, brokerFilter } = subscription
      if (topic.deliverTo && matchesFilter(brokerFilter, message.subject)) return topic.deliverTo(subscription, message)
    }
  }

  /** Checks a SUB. Returns undefined if there is nothing to begin. */
  prepare(op: SubscribeOp): Subscription | Refusal | undefined {
    if (!this.#isValid(op)) return { refused: 'invalid-subject' }
    const subscription = this.#parse(op)
    if (!(subscription instanceof Subscription)) return subscription
    const { topic, subject, queue, sid } = subscription
    const verdict = this.#judge(subscription)
    if (verdict === 'refused') return { refused: 'subscribe-permission', subject, queue }
    // Like in nats-server, a sid in use stays with its first subscription.
    if (this.#bySid.has(sid)) return undefined
    const limit = this.#bySid.size >= this.#max ? 'maxSubscriptions' : this.#hub.topics.findShortage(subscription)
    if (limit) return { refused: 'too-many-subscriptions', limit }
    const answer = topic.admit?.(subscription)
    if (answer) {
      this.sendQueue.write(answer)
      return undefined
    }
    subscription.withheld = verdict === 'withheld'
    return subscription
  }

  /** The filters of a SUB that the permissions allow. Undefined if {@link prepare} refuses or answers it. */
  permittedFilters(op: SubscribeOp): string | undefined {
    if (!this.#isValid(op)) return undefined
    const topic = this.#hub.topics.of(op.subject)
    const target = topic.parse(op, this.client, this.sendQueue)
    if ('refused' in target) return undefined
    const verdict = topic.judge(this.client.identity.permissions, target.filter, op.queue)
    return verdict === 'refused' ? undefined : target.filter
  }

  /**
   * Begins a subscription.
   * @param published operation of the client's last publish
   */
  begin(subscription: Subscription, published = 0): void {
    this.#bySid.set(subscription.sid, subscription)
    if (isOwnInbox(subscription.filter)) {
      this.#inboxes ??= new Set()
      this.#inboxes.add(subscription)
    }
    this.memory += sizeOf(subscription)
    this.#registered(this.#hub.topics.add(subscription, published))
  }

  /** Whether the client needs a branch for a subscription. It must not get its own messages, which only NATS can see to. */
  needsBranch({ queue }: { readonly queue?: string | undefined }): boolean {
    return queue !== undefined && !this.client.flags.echo && !this.branch
  }

  /**
   * Ends a subscription: now, or once `max` messages were delivered in total.
   * @param published operation of the client's last publish
   */
  unsubscribe(sid: string, max = 0, published = 0): void {
    const subscription = this.#bySid.get(sid)
    if (!subscription) return
    // From here on each message is counted on its own.
    this.sendQueue.unshare()
    const { topic } = subscription
    if (max > 0) {
      const apply = () => this.#limit(subscription, max)
      if (topic.limit) this.#registered(topic.limit(subscription, published, max, apply))
      else apply()
      return
    }
    this.#leave(subscription)
  }

  #leave(subscription: Subscription): void {
    this.#forget(subscription)
    this.#registered(subscription.topic.leave(subscription))
  }

  #limit(subscription: Subscription, max: number): void {
    if (this.#bySid.get(subscription.sid) !== subscription) return
    if (max > subscription.delivered) subscription.max = max
    else this.drop(subscription)
    this.changed()
  }

  #registered(operation: number): void {
    this.lastOperation = Math.max(this.lastOperation, operation)
  }

  /** Ends a subscription now. It may be draining, with its sid in use by another one. */
  drop(subscription: Subscription): void {
    if (this.#bySid.get(subscription.sid) === subscription) this.#forget(subscription)
    subscription.topic.remove(subscription)
  }

  dropAll(): void {
    for (const subscription of [...this.#bySid.values()]) this.drop(subscription)
  }

  ended(subscription: Subscription): void {
    this.drop(subscription)
    this.changed()
  }

  /** The client has new permissions. Ends subscriptions that they do not allow, and returns their refusals. */
  review(): Refusal[] {
    const refusals: Refusal[] = []
    // From here on each message may need a check.
    this.sendQueue.unshare()
    for (const subscription of [...this.#bySid.values()]) {
      const verdict = this.#judge(subscription)
      subscription.withheld = verdict === 'withheld'
      if (verdict === 'refused') refusals.push(this.#refuse(subscription))
    }
    return refusals
  }

  /** Ends all subscriptions to a filter, or with that subject in their SUB. Returns their refusals. */
  revoke(filter: string): Refusal[] {
    const revoked = [...this.#bySid.values()].filter(
      (one) => one.subject === filter || splitFilters(one.filter).includes(filter),
    )
    return revoked.map((subscription) => this.#refuse(subscription))
  }

  snapshot(): SubscriptionSnapshot[] {
    return [...this.#bySid.values()].map(({ sid, subject, queue, max, delivered }) => ({
      sid,
      filter: subject,
      ...(queue !== undefined && { queue }),
      max,
      delivered,
    }))
  }

  /** Begins subscriptions of a lost hub again. Returns refusals of subscriptions that can't be restored. */
  restore(snapshots: readonly SubscriptionSnapshot[]): Refusal[] {
    return snapshots.flatMap(({ sid, filter: subject, queue, max, delivered }) => {
      const lost = this.#hub.topics.of(subject).lost?.(sid)
      if (lost) {
        this.sendQueue.write(lost)
        return []
      }
      const subscription = this.#parse({ sid, subject, queue })
      if (!(subscription instanceof Subscription)) return subscription ?? []
      const verdict = this.#judge(subscription)
      if (verdict === 'refused') return { refused: 'subscribe-permission', subject, queue } as const
      subscription.withheld = verdict === 'withheld'
      subscription.max = max
      subscription.delivered = delivered
      if (this.needsBranch(subscription)) return { refused: 'too-many-subscriptions' } as const
      this.begin(subscription)
      return []
    })
  }

  #judge({ topic, filter, queue }: Subscription): SubscriptionVerdict {
    // It would get nothing. A client learns such a name from the configuration of a consumer, and would wait.
    if (isBridgeInbox(filter)) return 'refused'
    return topic.judge(this.client.identity.permissions, filter, queue)
  }

  #isValid({ subject, queue }: SubscribeOp): boolean {
    const isValid = isSubjectFilter(subject) && (queue === undefined || isSubject(queue))
    return isValid && Math.max(subject.length, queue?.length ?? 0) <= this.#hub.limits.maxSubjectLength
  }

  /** Largest number of subscriptions of this client. */
  get #max(): number {
    const { maxSubscriptions } = this.#hub.limits
    return Math.min(maxSubscriptions, this.client.identity.limits?.subscriptions ?? maxSubscriptions)
  }

  /** Returns undefined if the topic has answered on the sid. */
  #parse(op: SubscribeOp): Subscription | Refusal | undefined {
    const topic = this.#hub.topics.of(op.subject)
    const target = topic.parse(op, this.client, this.sendQueue)
    if (!('refused' in target)) return new Subscription(this, topic, op, target)
    if (target.refused === 'on-sid') {
      this.sendQueue.write(target.frame)
      return undefined
    }
    if (target.refused !== 'permission') return { refused: target.refused }
    return { refused: 'subscribe-permission', subject: op.subject, queue: op.queue }
  }

  #refuse(subscription: Subscription): Refusal {
    // NATS must know before the next PONG that a member has left its queue group.
    if (subscription.queue === undefined) this.drop(subscription)
    else this.#leave(subscription)
    return { refused: 'subscribe-permission', subject: subscription.subject, queue: subscription.queue }
  }

  #forget(subscription: Subscription): void {
    this.#bySid.delete(subscription.sid)
    this.memory -= sizeOf(subscription)
    this.#hub.topics.forget(subscription)
    this.#inboxes?.delete(subscription)
    this.#pastDelivered += subscription.delivered
  }
}

/** Approximate memory of a subscription here and at its topic, in bytes. Its filter is in several keys. */
function sizeOf({ sid, subject, brokerFilter, queue = '' }: Subscription): number {
  return 600 + 2 * sid.length + subject.length + 3 * (brokerFilter.length + queue.length)
}

/** Second token of an inbox. */
export function nameOfInbox(filter: string): string {
  return filter.split('.', 2)[1] ?? ''
}
