import { matchesFilter } from '../../sdk/wire/subject.ts'
import type { SharedSubscription } from '../upstream/shared-upstream.ts'
import type { UpstreamMessage } from '../upstream/upstream.ts'
import { DeliveryGroup } from './delivery-group.ts'
import type { InterestServices, InterestStats } from './interest.ts'
import type { Subscription } from './subscription.ts'

interface Member extends SharedSubscription {
  readonly subscription: Subscription
  readonly group: DeliveryGroup
}

/**
 * Members of queue groups. Each has a subscription of its own at the broker, so that the broker chooses among the members
 * of all connections. A hub that took messages on behalf of several members would take some that none of them may have.
 */
export class QueueGroups {
  readonly #services: InterestServices
  readonly #members = new Map<Subscription, Member>()

  constructor(services: InterestServices) {
    this.#services = services
  }

  get size(): number {
    return this.#members.size
  }

  /** Statistics by filter and queue group. */
  *list(): Iterable<InterestStats> {
    const stats = new Map<string, InterestStats>()
    for (const { brokerFilter: filter, queue } of this.#members.keys()) {
      const key = `${filter} ${queue}`
      stats.set(key, { filter, queue, subscriptions: (stats.get(key)?.subscriptions ?? 0) + 1 })
    }
    yield* stats.values()
  }

  add(subscription: Subscription): number {
    const { brokerFilter, queue, branch = this.#services.upstream } = subscription
    const shared = branch.subscribe(brokerFilter, queue, (message) => this.#deliver(subscription, message))
    const group = new DeliveryGroup(subscription, this.#services.turn)
    group.add(subscription)
    this.#members.set(subscription, { ...shared, subscription, group })
    return this.#services.upstream.register()
  }

  /** Messages that the broker has assigned to it already go to another member of this hub, if there is one. */
  remove(subscription: Subscription): void {
    this.#members.get(subscription)?.unsubscribe('drain')
    this.#members.delete(subscription)
  }

  /** Ends a member after the messages that the broker has assigned to it. */
  leave(subscription: Subscription): number {
    this.#members.get(subscription)?.unsubscribe('drain')
    return this.#afterwards(subscription, () => this.#members.delete(subscription))
  }

  /** The broker counts, so that it assigns later messages to other members. */
  limit(subscription: Subscription, max: number, apply: () => void): number {
    this.#members.get(subscription)?.unsubscribe({ after: max })
    return this.#afterwards(subscription, apply)
  }

  deliverTo(subscription: Subscription, message: UpstreamMessage): void {
    this.#members.get(subscription)?.group.deliverTo(subscription, message)
  }

  /** Calls `run` once messages that were assigned before are delivered. Returns as {@link Topic.add}. */
  #afterwards({ branch = this.#services.upstream }: Subscription, run: () => void): number {
    const confirmed = branch.confirm(branch.register())
    if (confirmed) void confirmed.then(run)
    else run()
    return this.#services.upstream.register()
  }

  #deliver(subscription: Subscription, message: UpstreamMessage): void {
    const own = this.#members.get(subscription)
    // A member that has left, or may not have the message since its credentials have changed.
    const member = own && subscription.accepts(message, undefined) ? own : this.#standIn(subscription, message)
    member?.group.deliverTo(member.subscription, message)
  }

  #standIn({ queue, brokerFilter }: Subscription, message: UpstreamMessage): Member | undefined {
    const candidates = [...this.#members.values()].filter(({ subscription: other }) => {
      const isMember = other.brokerFilter === brokerFilter || matchesFilter(other.brokerFilter, message.subject)
      return other.queue === queue && isMember && other.accepts(message, undefined)
    })
    return candidates[Math.floor(this.#services.random() * candidates.length)]
  }
}
