import { splitFilters } from '../../sdk/wire/filter-list.ts'
import { isSubject, isSubjectFilter } from '../../sdk/wire/subject.ts'
import type { Client } from '../delivery/client.ts'
import type { SendQueue } from '../delivery/send-queue.ts'
import type { SubscriptionSnapshot } from '../delivery/session-snapshot.ts'
import { Subscription, type SubscriptionOwner } from '../delivery/subscription.ts'
import type { SubscribeOp } from '../delivery/topic.ts'
import type { Refusal } from './refusal.ts'
import type { SessionHub } from './session-hub.ts'

type SubscriptionServices = Pick<SessionHub, 'limits' | 'topics'>

/** A client's subscriptions, by sid. This is where a SUB is checked. */
export class Subscriptions implements SubscriptionOwner {
  readonly client: Client
  readonly sendQueue: SendQueue
  /** The state of a subscription has changed. */
  readonly changed: () => void
  readonly #hub: SubscriptionServices
  readonly #bySid = new Map<string, Subscription>()
  /** Operation of the last SUB or UNSUB; see {@link SharedUpstream.confirm}. */
  lastOperation = 0
  /** Messages of subscriptions that have ended. */
  #pastDelivered = 0

  constructor(hub: SubscriptionServices, client: Client, sendQueue: SendQueue, changed: () => void) {
    this.#hub = hub
    this.client = client
    this.sendQueue = sendQueue
    this.changed = changed
  }

  get size(): number {
    return this.#bySid.size
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

  /** Checks a SUB and begins the subscription. */
  add(op: SubscribeOp): Refusal | undefined {
    if (!this.#isValid(op)) return { refused: 'invalid-subject' }
    const subscription = this.#parse(op)
    if (!(subscription instanceof Subscription)) return subscription
    const { topic, subject, queue, filter, sid } = subscription
    const verdict = topic.judge(this.client.identity.permissions, filter)
    if (verdict === 'refused') return { refused: 'subscribe-permission', subject, queue }
    // Like in nats-server, a sid in use stays with its first subscription.
    if (this.#bySid.has(sid)) return undefined
    if (this.#bySid.size >= this.#max || !(this.#hub.topics.hasRoom || topic.has(subscription)))
      return { refused: 'too-many-subscriptions' }
    subscription.withheld = verdict === 'withheld'
    this.#start(subscription)
    return undefined
  }

  /** Ends a subscription: now, or once `max` messages were delivered in total. */
  unsubscribe(sid: string, max = 0): void {
    const subscription = this.#bySid.get(sid)
    if (!subscription) return
    // From here on each message is counted on its own.
    this.sendQueue.unshare()
    if (max > subscription.delivered) {
      subscription.max = max
      return
    }
    this.#forget(subscription)
    this.lastOperation = Math.max(this.lastOperation, subscription.topic.leave(subscription))
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
      const verdict = subscription.topic.judge(this.client.identity.permissions, subscription.filter)
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
      const verdict = subscription.topic.judge(this.client.identity.permissions, subscription.filter)
      if (verdict === 'refused') return { refused: 'subscribe-permission', subject, queue } as const
      subscription.withheld = verdict === 'withheld'
      subscription.max = max
      subscription.delivered = delivered
      this.#start(subscription)
      return []
    })
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

  #start(subscription: Subscription): void {
    this.#bySid.set(subscription.sid, subscription)
    this.lastOperation = Math.max(this.lastOperation, subscription.topic.add(subscription))
  }

  #refuse(subscription: Subscription): Refusal {
    this.drop(subscription)
    return { refused: 'subscribe-permission', subject: subscription.subject, queue: subscription.queue }
  }

  #forget({ sid, delivered }: Subscription): void {
    this.#bySid.delete(sid)
    this.#pastDelivered += delivered
  }
}
