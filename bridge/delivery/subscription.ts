import { splitFilters } from '../../sdk/wire/filter-list.ts'
import { mayReceive } from '../auth/permissions.ts'
import type { SharedUpstream } from '../upstream/shared-upstream.ts'
import type { UpstreamMessage } from '../upstream/upstream.ts'
import type { Client } from './client.ts'
import type { Conflation } from './conflation.ts'
import type { FrameSink } from './send-queue.ts'
import type { SubscribeOp, SubscriptionTarget, Topic } from './topic.ts'

/** The client's side of its subscriptions. */
export interface SubscriptionOwner {
  readonly client: Client
  readonly sendQueue: FrameSink
  /** Upstream of the client's queue groups, if it has one of its own. */
  readonly branch: SharedUpstream | undefined
  /** The subscription has reached its maximum, or its topic ends it. */
  ended(subscription: Subscription): void
  /** The count of a subscription with a maximum has changed. */
  changed(): void
}

/** One SUB of one client. */
export class Subscription {
  readonly sid: string
  /** Subject of the SUB, as the client sent it. */
  readonly subject: string
  /** Subject filter without the topic's prefix, as the client names it. A replay may have a list of filters. */
  readonly filter: string
  /** The filter at the broker; see {@link SubjectScope}. */
  readonly brokerFilter: string
  readonly queue: string | undefined
  readonly topic: Topic
  readonly client: Client
  readonly sendQueue: FrameSink
  /** Keeps the newest message of each subject while the client is behind. */
  readonly conflation: Conflation | undefined
  /** Number of messages after which it ends; 0 for no limit. */
  max = 0
  /** How long messages may wait to be sent with others, in ms. */
  window = 0
  /** Whether the client must not get some of the filter's messages. */
  withheld = false
  readonly #owner: SubscriptionOwner
  #delivered = 0
  /** Counts messages that the whole group got together. */
  #tally: { readonly frames: number } | undefined

  constructor(owner: SubscriptionOwner, topic: Topic, op: SubscribeOp, { filter, conflation }: SubscriptionTarget) {
    this.#owner = owner
    this.client = owner.client
    this.sendQueue = owner.sendQueue
    this.topic = topic
    this.sid = op.sid
    this.subject = op.subject
    this.queue = op.queue
    this.filter = filter
    this.brokerFilter = splitFilters(filter)
      .map((one) => owner.client.scope.listenOn(one))
      .join(' ')
    this.conflation = conflation
  }

  /**
   * Whether a message must be checked before delivery. Most subscriptions need no check.
   * @param isClosed whether the subject of the message is closed; see {@link isClosed} in auth/permissions.ts
   */
  needsCheck(isClosed: boolean): boolean {
    const { flags, identity } = this.client
    if (this.max > 0 || this.conflation !== undefined || !flags.echo) return true
    return this.withheld && (isClosed || identity.permissions.subscribe.deny.length > 0)
  }

  /**
   * Whether the client may get `message`.
   * @param origin id of the publishing client if that has `echo: false`
   */
  accepts(message: UpstreamMessage, origin: string | undefined): boolean {
    const { id, identity, scope, flags } = this.client
    if (this.withheld && !mayReceive(identity.permissions, scope.toClient(message.subject) ?? '')) return false
    return flags.echo || origin !== id
  }

  /** See {@link SubscriptionOwner.branch}. */
  get branch(): SharedUpstream | undefined {
    return this.#owner.branch
  }

  get delivered(): number {
    return this.#delivered + (this.#tally?.frames ?? 0)
  }

  set delivered(count: number) {
    this.#delivered = count - (this.#tally?.frames ?? 0)
  }

  /** Counts the frames of `tally` as well, from now on. */
  countWith(tally: { readonly frames: number }): void {
    const { delivered } = this
    this.#tally = tally
    this.delivered = delivered
  }

  /** Counts one message towards the maximum. */
  count(): void {
    this.#delivered++
    if (this.max === 0) return
    if (this.delivered >= this.max) this.#owner.ended(this)
    else this.#owner.changed()
  }

  /** Ends the subscription at the client's side and at its topic. */
  end(): void {
    this.#owner.ended(this)
  }
}
