import { maySubscribe, type Permissions, type SubscriptionVerdict } from '../auth/permissions.ts'
import type { Requests } from '../upstream/requests.ts'
import type { SharedSubscription, SharedUpstream } from '../upstream/shared-upstream.ts'
import type { UpstreamMessage } from '../upstream/upstream.ts'
import { DeliveryGroup } from './delivery-group.ts'
import { originOf } from './origin-header.ts'
import type { Subscription } from './subscription.ts'
import type { SubscribeOp, SubscriptionTarget, Topic } from './topic.ts'
import type { Turn } from './turn.ts'

/** Subscriptions of this hub to one filter, in one queue group if there is one. They share one upstream subscription. */
export class Interest {
  readonly #queued: boolean
  readonly #groups = new Map<string, DeliveryGroup>()
  readonly #turn: Turn
  readonly #random: () => number
  #size = 0

  constructor(queue: string | undefined, turn: Turn, random: () => number) {
    this.#turn = turn
    this.#queued = queue !== undefined
    this.#random = random
  }

  /** Number of subscriptions. */
  get size(): number {
    return this.#size
  }

  add(subscription: Subscription): void {
    const key = DeliveryGroup.keyOf(subscription)
    let group = this.#groups.get(key)
    if (!group) {
      group = new DeliveryGroup(subscription, this.#turn)
      this.#groups.set(key, group)
    }
    group.add(subscription)
    this.#size++
  }

  /** Returns whether it was a member. */
  remove(subscription: Subscription): boolean {
    const key = DeliveryGroup.keyOf(subscription)
    const group = this.#groups.get(key)
    if (!group?.remove(subscription)) return false
    this.#size--
    if (group.members.size === 0) this.#groups.delete(key)
    return true
  }

  /** Delivers a message to all subscriptions, or to one of them in a queue group. */
  deliver(message: UpstreamMessage): void {
    const origin = message.headers && originOf(message.headers)
    if (this.#queued) return this.#deliverToOne(message, origin)
    for (const group of this.#groups.values()) group.deliver(message, origin)
  }

  #deliverToOne(message: UpstreamMessage, origin: string | undefined): void {
    const candidates: Array<readonly [DeliveryGroup, Subscription]> = []
    for (const group of this.#groups.values()) {
      for (const subscription of group.members) {
        if (!subscription.needsCheck || subscription.accepts(message, origin)) candidates.push([group, subscription])
      }
    }
    const chosen = candidates[Math.floor(this.#random() * candidates.length)]
    if (!chosen) return
    const [group, subscription] = chosen
    group.deliverTo(subscription, message)
  }
}

/** A subscription at the broker, for monitoring. */
export interface InterestStats {
  /** The filter at the broker. */
  readonly filter: string
  /** Queue group, if there is one. */
  readonly queue: string | undefined
  /** Number of client subscriptions that share it. */
  readonly subscriptions: number
}

interface Entry extends SharedSubscription {
  readonly filter: string
  readonly queue: string | undefined
  readonly interest: Interest
}

/** Services of the hub that {@link Interests} uses. */
export interface InterestServices {
  readonly upstream: SharedUpstream
  readonly requests: Requests
  readonly turn: Turn
  readonly random: () => number
  /** How long messages of a broker's filter may wait to be sent with others, in ms. */
  readonly windowFor: (brokerFilter: string) => number
}

/** Plain subscriptions to NATS subjects: one {@link Interest} for each distinct filter and queue group. */
export class Interests implements Topic {
  readonly prefix = ''
  readonly #services: InterestServices
  readonly #entries = new Map<string, Entry>()

  constructor(services: InterestServices) {
    this.#services = services
  }

  get size(): number {
    return this.#entries.size
  }

  /** Number of client subscriptions. */
  get subscriptions(): number {
    let sum = 0
    for (const { interest } of this.#entries.values()) sum += interest.size
    return sum
  }

  *list(): Iterable<InterestStats> {
    for (const { filter, queue, interest } of this.#entries.values())
      yield { filter, queue, subscriptions: interest.size }
  }

  parse({ subject }: SubscribeOp): SubscriptionTarget {
    return { filter: subject }
  }

  judge(permissions: Permissions, filter: string): SubscriptionVerdict {
    return maySubscribe(permissions, filter)
  }

  has(subscription: Subscription): boolean {
    return this.#entries.has(keyOf(subscription))
  }

  add(subscription: Subscription): number {
    subscription.window = this.#services.windowFor(subscription.brokerFilter)
    const key = keyOf(subscription)
    let entry = this.#entries.get(key)
    if (!entry) {
      const { brokerFilter: filter, queue } = subscription
      const interest = new Interest(queue, this.#services.turn, this.#services.random)
      const shared = this.#services.upstream.subscribe(filter, queue, (message) => interest.deliver(message))
      entry = { ...shared, filter, queue, interest }
      this.#entries.set(key, entry)
    }
    entry.interest.add(subscription)
    return entry.operation
  }

  remove(subscription: Subscription): void {
    const key = keyOf(subscription)
    const entry = this.#entries.get(key)
    if (!entry?.interest.remove(subscription) || entry.interest.size > 0) return
    this.#entries.delete(key)
    entry.unsubscribe()
  }

  leave(subscription: Subscription): number {
    const { upstream, requests } = this.#services
    const key = keyOf(subscription)
    const entry = this.#entries.get(key)
    if (!entry || !upstream.isOpen) {
      this.remove(subscription)
    } else if (entry.interest.size === 1) {
      this.#entries.delete(key)
      entry.unsubscribe('drain')
    } else {
      // The marker message separates earlier messages from later ones. The flush ends the subscription in any case.
      const cancel = requests.afterEarlierMessages(() => this.remove(subscription))
      const end = () => {
        cancel()
        this.remove(subscription)
      }
      upstream.flush().then(end, end)
    }
    return upstream.register()
  }
}

function keyOf({ brokerFilter, queue }: Subscription): string {
  return queue === undefined ? brokerFilter : `${brokerFilter} ${queue}`
}
