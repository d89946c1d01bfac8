import type { Limits } from '../auth/limits.ts'
import type { Permissions, SubscriptionVerdict } from '../auth/permissions.ts'
import { DistinctPlaces } from '../budget/distinct-places.ts'
import type { UpstreamMessage } from '../upstream/upstream.ts'
import { type Client, shareOf } from './client.ts'
import type { Conflation } from './conflation.ts'
import type { FrameSink } from './send-queue.ts'
import type { Subscription } from './subscription.ts'

/** A SUB as it arrives. Subject and queue group are valid by NATS's grammar. */
export interface SubscribeOp {
  readonly sid: string
  readonly subject: string
  readonly queue: string | undefined
}

/** A SUB as its topic understands it. */
export interface SubscriptionTarget {
  /** Subject filter without the topic's prefix. Permissions are checked for it. */
  readonly filter: string
  /** Keeps the newest message of each subject while the client is behind. */
  readonly conflation?: Conflation
}

/** Refusal of a SUB: a code for `-ERR`, or a frame that answers on the sid. */
export type SubscribeRefusal =
  | { readonly refused: 'invalid-subject' | 'permission' | 'needs-headers' }
  | { readonly refused: 'on-sid'; readonly frame: Uint8Array }

/**
 * One kind of subscription, with everything that distinguishes it from the others: its subjects, its permission, and where
 * its messages come from. A new kind is one new file, and its entry in the list of hub/hub-core.ts.
 */
export interface Topic {
  /** Beginning of the subjects of this kind. Empty for the kind that takes all others. */
  readonly prefix: string
  /** Number of filters in use. Each costs memory here and a subscription or consumer at the broker. */
  readonly size: number
  /** Reads a SUB whose subject begins with the prefix. */
  parse(op: SubscribeOp, client: Client, sendQueue: FrameSink): SubscriptionTarget | SubscribeRefusal
  /** Checks the permission for a filter, at SUB and whenever the client's credentials change. */
  judge(permissions: Permissions, filter: string, queue: string | undefined): SubscriptionVerdict
  /** Whether the filter of a subscription is in use already, so that one more subscription costs no new filter. */
  has(subscription: Subscription): boolean
  /**
   * Takes a place for a subscription. Returns the frame that answers on the sid if the client has too many of this kind.
   * Undefined: this kind has no limit of its own.
   */
  admit?(subscription: Subscription): Uint8Array | undefined
  /**
   * Begins a subscription. Returns the number of its operation, for the flush barrier; 0 if it needs no confirmation.
   * @param published operation of the client's last publish: the subscription must not get earlier messages
   */
  add(subscription: Subscription, published: number): number
  /** Ends a subscription now. */
  remove(subscription: Subscription): void
  /** Ends a subscription after the messages that the broker has sent before. Returns as {@link add}. */
  leave(subscription: Subscription): number
  /**
   * Calls `apply` once messages that were published before `published` are delivered: from then on the subscription ends
   * with `max` messages in total. Returns as {@link add}. Undefined: they are delivered already.
   */
  limit?(subscription: Subscription, published: number, max: number, apply: () => void): number
  /** Delivers a status message to one subscription. */
  deliverTo?(subscription: Subscription, message: UpstreamMessage): void
  /** The frame for a client whose subscription can't be restored. Undefined: this kind is restored by {@link add}. */
  lost?(sid: string): Uint8Array
}

/** The last tenth of all filters is for users with less than a hundredth of them. */
const RESERVED = 0.1
const FEW = 0.01

/** All topics of a hub. */
export class Topics {
  readonly #topics: readonly Topic[]
  readonly #maxFilters: number
  /** Filters of each user, over all topics. */
  readonly #users: DistinctPlaces

  /**
   * @param topics the first whose prefix matches takes a subject
   * @param limits number of filters over all topics, and of one user
   */
  constructor(topics: readonly Topic[], limits: Pick<Limits, 'maxFilters' | 'maxFiltersPerUser'>) {
    this.#topics = topics
    this.#maxFilters = limits.maxFilters
    this.#users = new DistinctPlaces(limits.maxFiltersPerUser)
  }

  /** The topic of a SUB's subject. */
  of(subject: string): Topic {
    const topic = this.#topics.find(({ prefix }) => subject.startsWith(prefix))
    if (!topic) throw new Error(`No topic accepts ${subject}.`)
    return topic
  }

  /** The limit of filters that forbids the subscription. Undefined if there is room for it. */
  findShortage(subscription: Subscription): 'maxFiltersPerUser' | 'maxFilters' | undefined {
    const user = shareOf(subscription.client)
    if (!this.#users.hasRoomFor(user, keyOf(subscription))) return 'maxFiltersPerUser'
    return subscription.topic.has(subscription) || this.#hasRoom(user) ? undefined : 'maxFilters'
  }

  /** Begins a subscription. Same as {@link Topic.add}. */
  add(subscription: Subscription, published: number): number {
    this.#users.add(shareOf(subscription.client), keyOf(subscription))
    return subscription.topic.add(subscription, published)
  }

  /** A subscription has ended, or will after the messages that are on their way. */
  forget(subscription: Subscription): void {
    this.#users.remove(shareOf(subscription.client), keyOf(subscription))
  }

  /** As a subscription: a connection of `user` joins a channel. @param isOpen whether the hub has the channel already */
  join(user: string, channel: string, isOpen: boolean): boolean {
    const key = `member ${channel}`
    if (!this.#users.hasRoomFor(user, key) || !(isOpen || this.#hasRoom(user))) return false
    this.#users.add(user, key)
    return true
  }

  /** A connection leaves a channel. */
  leave(user: string, channel: string): void {
    this.#users.remove(user, `member ${channel}`)
  }

  #hasRoom(user: string): boolean {
    const used = this.#topics.reduce((sum, { size }) => sum + size, 0)
    const few = this.#users.countOf(user) < this.#maxFilters * FEW
    return used < this.#maxFilters * (few ? 1 : 1 - RESERVED)
  }
}

/** Members of a queue group share no subscription at the broker. */
function keyOf({ topic, brokerFilter, queue, client, sid }: Subscription): string {
  const member = queue === undefined ? '' : `${client.id} ${sid} ${queue}`
  return `${topic.prefix} ${brokerFilter} ${member}`
}
