import type { JetStreamApi } from '../../sdk/jetstream/api.ts'
import { splitFilters } from '../../sdk/wire/filter-list.ts'
import { parseReplay, REPLAY_STATUS_SUBJECT, replayStatus } from '../../sdk/wire/replay-frames.ts'
import type { Limits } from '../auth/limits.ts'
import { maySubscribe, type Permissions, type SubscriptionVerdict } from '../auth/permissions.ts'
import type { Client } from '../delivery/client.ts'
import type { Subscription } from '../delivery/subscription.ts'
import type { SubscribeOp, SubscribeRefusal, SubscriptionTarget, Topic } from '../delivery/topic.ts'
import { Feed, type FeedOptions } from './feed.ts'
import { encodeStatus } from './follower.ts'
import { Budget } from './ring.ts'

/** Number of feeds without followers, each with a consumer at JetStream. The oldest are closed beyond this number. */
const MAX_IDLE = 200

const isInbox = (filter: string) => filter.startsWith('_INBOX.')

/** `$EDGE.REPLAY.<cursor>.<filter>`: one {@link Feed} for each distinct filter, or list of filters. */
export class Feeds implements Topic {
  readonly prefix: string = `${REPLAY_STATUS_SUBJECT}.`
  readonly #api: JetStreamApi
  readonly #options: FeedOptions
  readonly #windowFor: (brokerFilter: string) => number
  readonly #feeds = new Map<string, Feed>()
  /** Feeds without followers, oldest first. */
  readonly #idle = new Set<Feed>()

  /** @param windowFor how long messages of a broker's filter may wait to be sent with others, in ms */
  constructor(api: JetStreamApi, limits: Limits, windowFor: (brokerFilter: string) => number) {
    this.#api = api
    this.#windowFor = windowFor
    this.#options = {
      ring: limits.replayRing,
      budget: new Budget(limits.maxReplayMemory),
      snapshot: limits.replaySnapshot,
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

  add(subscription: Subscription): number {
    subscription.window = Math.min(...splitFilters(subscription.brokerFilter).map(this.#windowFor))
    const feed = this.#feedOf(subscription.brokerFilter)
    this.#idle.delete(feed)
    feed.add(subscription)
    return 0
  }

  remove(subscription: Subscription): void {
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

  #feedOf(filter: string): Feed {
    const known = this.#feeds.get(filter)
    if (known) return known
    const feed = new Feed(this.#api, filter, this.#options, () => {
      if (this.#feeds.get(filter) === feed) this.#feeds.delete(filter)
      this.#idle.delete(feed)
    })
    this.#feeds.set(filter, feed)
    return feed
  }
}
