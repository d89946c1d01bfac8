import { mayJoinQueue, maySubscribe, type Permissions, type SubscriptionVerdict } from '../auth/permissions.ts'
import type { SharedSubscription } from '../upstream/shared-upstream.ts'
import type { UpstreamMessage } from '../upstream/upstream.ts'
import { isNoResponders } from '../upstream/upstream-message.ts'
import { Interest, type InterestServices, type InterestStats } from './interest.ts'
import type { NoResponders } from './no-responders.ts'
import { QueueGroups } from './queue-groups.ts'
import type { Subscription } from './subscription.ts'
import type { SubscribeOp, SubscriptionTarget, Topic } from './topic.ts'

interface Entry extends SharedSubscription {
  readonly filter: string
  readonly interest: Interest
  /** Subscriptions that wait for messages which were published before them. */
  readonly joining: Set<Subscription>
}

/** Plain subscriptions to NATS subjects: one {@link Interest} for each distinct filter, and {@link QueueGroups}. */
export class Interests implements Topic {
  readonly prefix = ''
  readonly #services: InterestServices
  readonly #noResponders: NoResponders
  readonly #entries = new Map<string, Entry>()
  readonly #queues: QueueGroups

  constructor(services: InterestServices, noResponders: NoResponders) {
    this.#services = services
    this.#noResponders = noResponders
    this.#queues = new QueueGroups(services)
  }

  get size(): number {
    return this.#entries.size + this.#queues.size
  }

  /** Number of client subscriptions. */
  get subscriptions(): number {
    let sum = this.#queues.size
    for (const entry of this.#entries.values()) sum += sizeOf(entry)
    return sum
  }

  *list(): Iterable<InterestStats> {
    for (const entry of this.#entries.values())
      yield { filter: entry.filter, queue: undefined, subscriptions: sizeOf(entry) }
    yield* this.#queues.list()
  }

  parse({ subject }: SubscribeOp): SubscriptionTarget {
    return { filter: subject }
  }

  judge(permissions: Permissions, filter: string, queue: string | undefined): SubscriptionVerdict {
    return queue === undefined ? maySubscribe(permissions, filter) : mayJoinQueue(permissions, filter)
  }

  has({ brokerFilter, queue }: Subscription): boolean {
    return queue === undefined && this.#entries.has(brokerFilter)
  }

  add(subscription: Subscription, published: number): number {
    const { brokerFilter: filter, queue } = subscription
    const { upstream, turn, windowFor } = this.#services
    subscription.window = windowFor(filter)
    if (queue !== undefined) return this.#queues.add(subscription)
    const entry = this.#entries.get(filter)
    if (entry) return this.#join(entry, subscription, published)
    const interest = new Interest(turn)
    interest.add(subscription)
    const shared = upstream.subscribe(filter, undefined, (message) => this.#deliver(interest, message))
    this.#entries.set(filter, { ...shared, filter, interest, joining: new Set() })
    return shared.operation
  }

  remove(subscription: Subscription): void {
    if (subscription.queue !== undefined) return this.#queues.remove(subscription)
    const entry = this.#entries.get(subscription.brokerFilter)
    if (!entry) return
    const isMember = entry.interest.remove(subscription) || entry.joining.delete(subscription)
    if (!isMember || sizeOf(entry) > 0) return
    this.#entries.delete(entry.filter)
    entry.unsubscribe()
  }

  leave(subscription: Subscription): number {
    if (subscription.queue !== undefined) return this.#queues.leave(subscription)
    const entry = this.#entries.get(subscription.brokerFilter)
    if (!entry || !this.#services.upstream.isOpen) {
      this.remove(subscription)
      return this.#services.upstream.register()
    }
    if (sizeOf(entry) > 1) return this.#afterEarlierMessages(() => this.remove(subscription))
    this.#entries.delete(entry.filter)
    entry.unsubscribe('drain')
    return this.#services.upstream.register()
  }

  limit(subscription: Subscription, published: number, max: number, apply: () => void): number {
    if (subscription.queue !== undefined) return this.#queues.limit(subscription, max, apply)
    if (this.#services.upstream.isPending(published)) return this.#afterEarlierMessages(apply)
    apply()
    return 0
  }

  /** Delivers a status to one subscription of its requester. */
  deliverTo(subscription: Subscription, message: UpstreamMessage): void {
    if (subscription.queue !== undefined) this.#queues.deliverTo(subscription, message)
    else this.#entries.get(subscription.brokerFilter)?.interest.deliverTo(subscription, message)
  }

  /** A client must not get messages that it has published before its SUB. The broker may not have sent them yet. */
  #join(entry: Entry, subscription: Subscription, published: number): number {
    if (!this.#services.upstream.isPending(published)) {
      entry.interest.add(subscription)
      return entry.operation
    }
    entry.joining.add(subscription)
    return this.#afterEarlierMessages(() => {
      if (entry.joining.delete(subscription)) entry.interest.add(subscription)
    })
  }

  #deliver(interest: Interest, message: UpstreamMessage): void {
    const isStatus = isNoResponders(message)
    if (isStatus && (this.#noResponders.deliver(message) || this.#services.requests.deliver(message))) return
    interest.deliver(message)
  }

  /** Calls `run` after messages that were published before, and before later ones. Returns as {@link Topic.add}. */
  #afterEarlierMessages(run: () => void): number {
    const { upstream, requests } = this.#services
    // The marker message separates earlier messages from later ones. The confirmation comes in any case.
    const cancel = requests.afterEarlierMessages(run)
    const operation = upstream.register()
    const end = () => {
      if (cancel()) run()
    }
    const confirmed = upstream.confirm(operation)
    if (confirmed) void confirmed.then(end)
    else end()
    return operation
  }
}

function sizeOf({ interest, joining }: Entry): number {
  return interest.size + joining.size
}
