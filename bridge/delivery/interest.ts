import type { Requests } from '../upstream/requests.ts'
import type { SharedUpstream } from '../upstream/shared-upstream.ts'
import type { UpstreamMessage } from '../upstream/upstream.ts'
import { DeliveryGroup } from './delivery-group.ts'
import { originOf } from './origin-header.ts'
import type { Subscription } from './subscription.ts'
import type { Turn } from './turn.ts'

/** A subscription at the broker, for monitoring. */
export interface InterestStats {
  /** The filter at the broker. */
  readonly filter: string
  /** Queue group, if there is one. */
  readonly queue: string | undefined
  /** Number of client subscriptions that share it. */
  readonly subscriptions: number
}

/** Services of the hub that plain subscriptions use. */
export interface InterestServices {
  readonly upstream: SharedUpstream
  readonly requests: Requests
  readonly turn: Turn
  readonly random: () => number
  /** How long messages of a broker's filter may wait to be sent with others, in ms. */
  readonly windowFor: (brokerFilter: string) => number
}

/** Subscriptions of this hub to one filter. They share one upstream subscription. */
export class Interest {
  readonly #groups = new Map<string, DeliveryGroup>()
  /** The only group, which most filters have. */
  #only: DeliveryGroup | undefined
  readonly #turn: Turn
  #size = 0

  constructor(turn: Turn) {
    this.#turn = turn
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
      this.#groupsChanged()
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
    if (group.members.size === 0 && this.#groups.delete(key)) this.#groupsChanged()
    return true
  }

  #groupsChanged(): void {
    const [first] = this.#groups.values()
    this.#only = this.#groups.size === 1 ? first : undefined
  }

  /** Delivers a message to all subscriptions. */
  deliver(message: UpstreamMessage): void {
    const origin = message.headers && originOf(message.headers)
    if (this.#only) {
      this.#only.deliver(message, origin)
      this.#turn.relieve()
      return
    }
    for (const group of this.#groups.values()) {
      group.deliver(message, origin)
      this.#turn.relieve()
    }
  }

  /** Delivers a message to one subscription only. */
  deliverTo(subscription: Subscription, message: UpstreamMessage): void {
    const group = this.#groups.get(DeliveryGroup.keyOf(subscription))
    if (group?.members.has(subscription)) group.deliverTo(subscription, message)
  }
}
