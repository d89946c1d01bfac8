import type { Permissions, SubscriptionVerdict } from '../auth/permissions.ts'
import type { UpstreamMessage } from '../upstream/upstream.ts'
import type { Client } from './client.ts'
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

/** All topics of a hub. */
export class Topics {
  readonly #topics: readonly Topic[]
  readonly #maxFilters: number

  /**
   * @param topics the first whose prefix matches takes a subject
   * @param maxFilters limit of filters over all topics
   */
  constructor(topics: readonly Topic[], maxFilters: number) {
    this.#topics = topics
    this.#maxFilters = maxFilters
  }

  /** The topic of a SUB's subject. */
  of(subject: string): Topic {
    const topic = this.#topics.find(({ prefix }) => subject.startsWith(prefix))
    if (!topic) throw new Error(`No topic accepts ${subject}.`)
    return topic
  }

  /** Whether one more filter is within the limit. */
  get hasRoom(): boolean {
    return this.#topics.reduce((sum, { size }) => sum + size, 0) < this.#maxFilters
  }
}
