import { conflatedFilter } from '../../sdk/wire/conflate-subject.ts'
import { presenceSubject } from '../../sdk/wire/presence-frames.ts'
import { encodeReplay, type ReplayStart } from '../../sdk/wire/replay-frames.ts'
import { mayReceive, type Permissions } from '../auth/permissions.ts'
import { isNoResponders } from '../upstream/message.ts'
import type { UpstreamMessage } from '../upstream/upstream.ts'
import type { Conflation } from './conflation.ts'
import type { ReplyGrants } from './reply-grants.ts'
import type { SharedBatch } from './shared-batch.ts'
import type { SubjectScope } from './subject-scope.ts'

/** Where a subscription's frames go. */
export interface SubscriptionOwner {
  readonly id: string
  /** Empty if nobody knows who it is. */
  readonly user: string
  /** What its token says of it to others. */
  readonly presence: unknown
  readonly headers: boolean
  readonly noResponders: boolean
  readonly echo: boolean
  readonly permissions: Permissions
  readonly scope: SubjectScope
  readonly replies: ReplyGrants
  /** What it may publish in all, in bytes; undefined for no limit. */
  readonly maxData: number | undefined
  /** Bytes that the client was sent and has not confirmed. */
  readonly unread: number
  /** Calls `run` once, when fewer than `below` bytes are unread. */
  whenRead(below: number, run: () => void): void
  write(frame: Uint8Array, window?: number): void
  /** As of an outlet. */
  share(shared: SharedBatch, window: number): boolean
  /** As of an outlet. */
  part(): void
  /** The subscription reached its maximum. */
  exhausted(subscription: Subscription): void
  /** The count of a subscription with a maximum changed. */
  changed(): void
}

/** One SUB of one client. */
export class Subscription {
  readonly owner: SubscriptionOwner
  readonly sid: string
  /** In the client's own words; see {@link SubjectScope}. */
  readonly filter: string
  readonly queue: string | undefined
  /** Where it begins, if it reads a stream. */
  readonly replay: ReplayStart | undefined
  /** Whether it is about who is in a channel; the filter is the channel's name then. */
  readonly presence: boolean
  /** Ends after this many messages in all; 0 for never. */
  max = 0
  #delivered = 0
  /** Counts what its group gets together, which is not counted one by one. */
  #tally: { readonly frames: number } | undefined
  /** It may skip what is outdated when its client is behind. */
  conflation: Conflation | undefined
  /** How long messages may wait to be sent with others, in ms. */
  window = 0
  /** Whether some of the filter's messages may not be delivered to this client. */
  withheld: boolean

  constructor(
    owner: SubscriptionOwner,
    sid: string,
    filter: string,
    queue: string | undefined,
    withheld: boolean,
    replay?: ReplayStart,
    presence = false,
  ) {
    this.owner = owner
    this.sid = sid
    this.filter = filter
    this.queue = queue
    this.withheld = withheld
    this.replay = replay
    this.presence = presence
  }

  /** What the client asked for, in its words. */
  get name(): string {
    if (this.presence) return presenceSubject(this.filter)
    if (this.conflation) return conflatedFilter(this.filter)
    return this.replay ? encodeReplay(this.replay, this.filter) : this.filter
  }

  /** The filter at the broker. */
  get brokerFilter(): string {
    return this.owner.scope.listenOn(this.filter)
  }

  /** Whether each message needs a look before it is delivered here: most subscriptions need none. */
  get needsCare(): boolean {
    return (
      this.max > 0 || this.withheld || this.conflation !== undefined || !this.owner.noResponders || !this.owner.echo
    )
  }

  /**
   * Whether `message` may go to this subscription.
   * @param origin the client that published it and asked for no echo, if there is one
   */
  accepts(message: UpstreamMessage, origin: string | undefined): boolean {
    const { owner } = this
    if (this.withheld && !mayReceive(owner.permissions, owner.scope.toClient(message.subject) ?? '')) return false
    if (!owner.noResponders && isNoResponders(message)) return false
    return owner.echo || origin !== owner.id
  }

  get delivered(): number {
    return this.#delivered + (this.#tally?.frames ?? 0)
  }

  set delivered(count: number) {
    this.#delivered = count - (this.#tally?.frames ?? 0)
  }

  /** From now on counts what `tally` counts, too. */
  countWith(tally: { readonly frames: number }): void {
    const { delivered } = this
    this.#tally = tally
    this.delivered = delivered
  }

  /** Counts one delivery towards the maximum. */
  count(): void {
    this.#delivered++
    if (this.max === 0) return
    if (this.delivered >= this.max) this.owner.exhausted(this)
    else this.owner.changed()
  }
}
