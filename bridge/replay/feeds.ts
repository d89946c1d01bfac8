import type { JetStreamApi } from '../../sdk/jetstream/api.ts'
import { splitFilters } from '../../sdk/wire/filter-list.ts'
import { parseReplay, REPLAY_STATUS_SUBJECT, replayStatus } from '../../sdk/wire/replay-frames.ts'
import type { Limits } from '../auth/limits.ts'
import { maySubscribe, type Permissions, type SubscriptionVerdict } from '../auth/permissions.ts'
import { Budget } from '../budget/budget.ts'
import { DistinctPlaces } from '../budget/distinct-places.ts'
import { FairQueue } from '../budget/fair-queue.ts'
import { type Client, shareOf } from '../delivery/client.ts'
import type { Subscription } from '../delivery/subscription.ts'
import type { SubscribeOp, SubscribeRefusal, SubscriptionTarget, Topic } from '../delivery/topic.ts'
import { Feed, type FeedOptions } from './feed.ts'
import { encodeStatus } from './follower.ts'

/** Number of feeds without followers, each with a consumer at JetStream. The oldest are closed beyond this number. */
const MAX_IDLE = 200

/** Wait before another request to a stream that has refused one, in ms: after the first refusal, and at most. */
const BACKOFF = 1_000
const MAX_BACKOFF = 30_000
/** Filters whose refusal is remembered. All are forgotten beyond that number, which bounds memory. */
const MAX_REFUSALS = 1_000

/** Services of the hub that {@link Feeds} uses. */
export interface FeedServices {
  /** The JetStream API in the name of a user; see {@link shareOf}. */
  readonly apiFor: (user: string) => JetStreamApi
  /** Memory of rings and pages. */
  readonly budget: Budget
  /** Called when a client may not follow more filters. */
  readonly full?: (client: Client) => void
}

const isInbox = (filter: string) => filter.startsWith('_INBOX.')

/** `$EDGE.REPLAY.<cursor>.<filter>`: one {@link Feed} for each distinct filter, or list of filters. */
export class Feeds implements Topic {
  readonly prefix: string = `${REPLAY_STATUS_SUBJECT}.`
  readonly #options: FeedOptions
  readonly #windowFor: (brokerFilter: string) => number
  readonly #full: FeedServices['full']
  readonly #feeds = new Map<string, Feed>()
  /** Feeds without followers, oldest first. */
  readonly #idle = new Set<Feed>()
  /** Subscriptions that have taken a place. */
  readonly #admitted = new Set<Subscription>()
  /** Distinct filters of each connection and of each user. */
  readonly #ofConnections: DistinctPlaces
  readonly #ofUsers: DistinctPlaces
  /** Filters whose streams have refused to be read: the end of the wait before the next request, and its length. */
  readonly #refusals = new Map<string, { readonly until: number; readonly wait: number }>()

  /** @param windowFor how long messages of a broker's filter may wait to be sent with others, in ms */
  constructor(
    api: JetStreamApi,
    limits: Limits,
    windowFor: (brokerFilter: string) => number,
    services: FeedServices = { apiFor: () => api, budget: new Budget(limits.memory) },
  ) {
    this.#windowFor = windowFor
    this.#full = services.full
    this.#ofConnections = new DistinctPlaces(limits.replays.connection)
    this.#ofUsers = new DistinctPlaces(limits.replays.user)
    this.#options = {
      ring: limits.replayRing,
      cache: services.budget.reserve(limits.maxReplayMemory, () => this.#shed()),
      snapshot: limits.replaySnapshot,
      snapshots: new FairQueue({ user: 1, hub: 2 }),
      apiFor: services.apiFor,
      maxBacklogUnread: limits.maxPending / 4,
      maxLiveUnread: limits.maxPending / 2,
    }
  }

  get size(): number {
    return this.#feeds.size
  }

  parse({ sid, subject, queue }: SubscribeOp, { flags }: Client): SubscriptionTarget | SubscribeRefusal {
    if (!flags.headers) return { refused: 'needs-headers' }
    const replay = parseReplay(subject)
    if (replay && queue === undefined && !splitFilters(replay.filter).some(isInbox)) return { filter: replay.filter }
    return { refused: 'on-sid', frame: encodeStatus(sid, 400, replayStatus.bad) }
  }

  judge(permissions: Permissions, filter: string): SubscriptionVerdict {
    const verdicts = splitFilters(filter).map((one) => maySubscribe(permissions, one))
    return (['refused', 'withheld'] as const).find((verdict) => verdicts.includes(verdict)) ?? 'allowed'
  }

  has({ brokerFilter }: Pick<Subscription, 'brokerFilter'>): boolean {
    return this.#feeds.has(brokerFilter)
  }

  admit(subscription: Subscription): Uint8Array | undefined {
    const { sid, client, brokerFilter: filter } = subscription
    const user = shareOf(client)
    if (!this.#ofConnections.hasRoomFor(client.id, filter) || !this.#ofUsers.hasRoomFor(user, filter)) {
      this.#full?.(client)
      return encodeStatus(sid, 429, replayStatus.tooManyReplays)
    }
    if ((this.#refusals.get(filter)?.until ?? 0) > Date.now()) return encodeStatus(sid, 503, replayStatus.unavailable)
    this.#ofConnections.add(client.id, filter)
    this.#ofUsers.add(user, filter)
    this.#admitted.add(subscription)
    return undefined
  }

  add(subscription: Subscription): number {
    subscription.window = Math.min(...splitFilters(subscription.brokerFilter).map(this.#windowFor))
    const feed = this.#feedOf(subscription)
    this.#idle.delete(feed)
    feed.add(subscription)
    return 0
  }

  remove(subscription: Subscription): void {
    if (this.#admitted.delete(subscription)) {
      const { client, brokerFilter } = subscription
      this.#ofConnections.remove(client.id, brokerFilter)
      this.#ofUsers.remove(shareOf(client), brokerFilter)
    }
    const feed = this.#feeds.get(subscription.brokerFilter)
    if (!feed?.remove(subscription)) return
    this.#idle.add(feed)
    const [oldest] = this.#idle
    if (this.#idle.size > MAX_IDLE) oldest?.close()
  }

  leave(subscription: Subscription): number {
    this.remove(subscription)
    return 0
  }

  /** Only the client knows which messages it got, so it has to resume. */
  lost(sid: string): Uint8Array {
    return encodeStatus(sid, 409, replayStatus.interrupted)
  }

  /** The upstream is open again. */
  reconnected(): void {
    for (const feed of this.#feeds.values()) feed.reconnected()
  }

  close(): void {
    for (const feed of [...this.#feeds.values()]) feed.close()
  }

  #feedOf({ brokerFilter: filter, client }: Subscription): Feed {
    const known = this.#feeds.get(filter)
    if (known) return known
    const feed = new Feed(this.#options.apiFor(shareOf(client)), filter, this.#options, {
      opened: () => void this.#refusals.delete(filter),
      refused: () => this.#postpone(filter),
      closed: () => {
        if (this.#feeds.get(filter) === feed) this.#feeds.delete(filter)
        this.#idle.delete(feed)
      },
    })
    this.#feeds.set(filter, feed)
    return feed
  }

  #postpone(filter: string): void {
    const before = this.#refusals.get(filter)
    const wait = before ? Math.min(2 * before.wait, MAX_BACKOFF) : BACKOFF
    if (this.#refusals.size >= MAX_REFUSALS) this.#refusals.clear()
    this.#refusals.set(filter, { until: Date.now() + wait, wait })
  }

  /** Drops feeds without followers, and the messages of all others. They can be read again. */
  #shed(): void {
    for (const feed of [...this.#idle]) feed.close()
    for (const feed of this.#feeds.values()) feed.shed()
  }
}
