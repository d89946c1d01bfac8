import { JetStreamApi, type StreamState } from '../../sdk/jetstream/api.ts'
import { isSpanwireError } from '../../sdk/wire/errors.ts'
import type { Limits } from '../auth/limits.ts'
import type { Subscription } from '../delivery/subscription.ts'
import { upstreamLink } from '../upstream/jetstream-link.ts'
import type { Requests } from '../upstream/requests.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { Feed, type FeedOptions } from './feed.ts'
import { Budget } from './ring.ts'

/** How long the answer to "which stream keeps this subject?" is believed, in ms. */
const TTL = 10_000
const MAX_KNOWN = 10_000
/** How often to look whether there is JetStream at all, in ms, while it is asked. */
const LOOK = 50
/** Feeds that nobody follows stay a while for who comes back, each with a consumer at JetStream: not more than these. */
const MAX_IDLE = 200

/** Streams as a hub uses them: one feed for each filter that is followed. */
export class Streams {
  readonly api: JetStreamApi
  readonly #options: FeedOptions
  readonly #feeds = new Map<string, Feed>()
  /** Those that nobody follows, the oldest first. */
  readonly #idle = new Set<Feed>()
  readonly #known = new Map<string, { readonly until: number; readonly found: Promise<StreamState | undefined> }>()

  readonly #upstream: Upstream

  constructor(upstream: Upstream, requests: Requests, limits: Limits) {
    this.#upstream = upstream
    this.api = new JetStreamApi(upstreamLink(upstream, requests))
    this.#options = {
      ring: limits.replayRing,
      budget: new Budget(limits.maxReplayMemory),
      snapshot: limits.replaySnapshot,
      backlogMark: limits.maxPending / 4,
      liveMark: limits.maxPending / 2,
    }
  }

  /** Filters that are followed. */
  get size(): number {
    return this.#feeds.size
  }

  has(filter: string): boolean {
    return this.#feeds.has(filter)
  }

  follow(subscription: Subscription): void {
    const { brokerFilter } = subscription
    let feed = this.#feeds.get(brokerFilter)
    if (!feed) {
      const made = new Feed(this.api, brokerFilter, this.#options, () => {
        if (this.#feeds.get(brokerFilter) === made) this.#feeds.delete(brokerFilter)
        this.#idle.delete(made)
      })
      feed = made
      this.#feeds.set(brokerFilter, feed)
    }
    this.#idle.delete(feed)
    feed.add(subscription)
  }

  leave(subscription: Subscription): void {
    const feed = this.#feeds.get(subscription.brokerFilter)
    if (!feed?.remove(subscription)) return
    this.#idle.add(feed)
    const [oldest] = this.#idle
    if (this.#idle.size > MAX_IDLE) oldest?.close()
  }

  /**
   * The stream that keeps a subject, as of some seconds ago; undefined if there is none.
   * @throws SpanwireError (as rejection) what a broker out of reach gives
   */
  find(subject: string): Promise<StreamState | undefined> {
    if (!this.#upstream.info.jetstream) return Promise.resolve(undefined)
    const now = Date.now()
    const known = this.#known.get(subject)
    if (known && known.until > now) return known.found
    // Forgetting all of them now and then bounds the memory.
    if (this.#known.size >= MAX_KNOWN) this.#known.clear()
    const found = this.#unlessDenied(this.api.findStream(subject)).catch((error) => {
      if (isSpanwireError(error, 'stream-not-found')) return undefined
      this.#known.delete(subject)
      throw error
    })
    this.#known.set(subject, { until: now + TTL, found })
    return found
  }

  /** Undefined, too, if it turns out meanwhile that the upstream's user may not ask: NATS gives it no answer. */
  #unlessDenied<Found>(asked: Promise<Found>): Promise<Found | undefined> {
    return new Promise((resolve, reject) => {
      const look = setInterval(() => {
        if (!this.#upstream.info.jetstream) resolve(undefined)
      }, LOOK)
      const over = () => clearInterval(look)
      asked.then(resolve, reject).then(over, over)
    })
  }

  /** The broker is within reach again. */
  reconnected(): void {
    for (const feed of this.#feeds.values()) feed.reconnected()
  }

  close(): void {
    for (const feed of [...this.#feeds.values()]) feed.close()
  }
}
