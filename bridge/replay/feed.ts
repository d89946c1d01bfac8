import type { JetStreamApi, StreamState } from '../../sdk/jetstream/api.ts'
import type { StoredMessage } from '../../sdk/jetstream/jetstream-link.ts'
import { type Following, followStream } from '../../sdk/jetstream/ordered-consumer.ts'
import { whyUnreadable } from '../../sdk/jetstream/unreadable.ts'
import { createBackoff } from '../../sdk/kit/backoff.ts'
import { pause } from '../../sdk/kit/pause.ts'
import { isSpanwireError } from '../../sdk/wire/errors.ts'
import { parseReplay, replayStatus } from '../../sdk/wire/replay-frames.ts'
import { clip, missingFrom } from '../../sdk/wire/sequence-ranges.ts'
import { shareOf } from '../delivery/client.ts'
import type { Subscription } from '../delivery/subscription.ts'
import { isRefusal } from './backlog.ts'
import { Follower } from './follower.ts'
import { History, type HistoryOptions } from './history.ts'
import { StartResolver, type StartServices } from './start-resolver.ts'

export interface FeedOptions extends HistoryOptions, StartServices {
  /** Unread bytes with which a live client goes back to reading stored messages at its own pace. */
  readonly maxLiveUnread: number
  /** The JetStream API in the name of a user; see {@link shareOf}. */
  readonly apiFor: (user: string) => JetStreamApi
}

/** Calls of a feed to its owner. */
export interface FeedEvents {
  /** Messages can be read. */
  opened(): void
  /** The stream refuses to be read. The feed closes. */
  refused(): void
  closed(): void
}

/** How long a feed stays after its last follower has left, in ms. A short network outage removes all followers at once. */
const LINGER = 30_000
/** Delays before a failed request to the broker is repeated. */
const RETRIES = { first: 500, longest: 5_000 }
const CLOSED: Following = { next: 0, restart() {}, stop() {} }

/** One filter of one stream, for all followers at this hub: one consumer, and one {@link History} that they share. */
export class Feed {
  readonly #api: JetStreamApi
  readonly #filter: string
  readonly #options: FeedOptions
  readonly #followers = new Map<Subscription, Follower>()
  readonly #starts: StartResolver
  readonly #events: FeedEvents
  #state: StreamState | undefined
  #history: History | undefined
  #following: Following = CLOSED
  #closed = false
  #lingering: ReturnType<typeof setTimeout> | undefined

  /** @param api in the name of the first follower's user */
  constructor(api: JetStreamApi, filter: string, options: FeedOptions, events: FeedEvents) {
    this.#api = api
    this.#filter = filter
    this.#options = options
    this.#starts = new StartResolver(filter, options)
    this.#events = events
    void this.#open()
  }

  add(subscription: Subscription): void {
    const replay = parseReplay(subscription.subject)
    if (!replay) return
    clearTimeout(this.#lingering)
    const follower = new Follower(subscription, replay.start)
    this.#followers.set(subscription, follower)
    if (this.#history) void this.#admit(follower)
  }

  /** Returns whether this was the last follower. The feed stays for {@link LINGER}. */
  remove(subscription: Subscription): boolean {
    const follower = this.#followers.get(subscription)
    if (!follower) return false
    follower.ended = true
    follower.snapshot = undefined
    this.#followers.delete(subscription)
    if (this.#followers.size > 0 || this.#closed) return false
    clearTimeout(this.#lingering)
    this.#lingering = setTimeout(() => this.close(), LINGER)
    return true
  }

  /** The upstream is open again. Missed messages are read at once. */
  reconnected(): void {
    this.#following.restart()
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    clearTimeout(this.#lingering)
    this.#following.stop()
    this.#history?.close()
    this.#events.closed()
  }

  /** Drops messages that can be read again. */
  shed(): void {
    this.#history?.shed()
  }

  async #open(): Promise<void> {
    const backoff = createBackoff(RETRIES)
    while (!this.#closed) {
      try {
        const state = await this.#api.findStream(this.#filter)
        if (this.#closed) return
        if (!state) return this.#end(404, replayStatus.noStream)
        if (!this.#isUnreadable(state)) this.#follow(state)
        return
      } catch (error) {
        if (isSpanwireError(error, 'stream-not-found') || isRefusal(error)) return this.#end(404, replayStatus.noStream)
      }
      await pause(backoff.next())
    }
  }

  #end(code: number, status: string): void {
    for (const follower of [...this.#followers.values()]) follower.end(code, status)
    this.close()
  }

  /**
   * Ends the feed with the reason. Retries would take the time of a stream that has too many consumers. The stream may also
   * have been created again, with a configuration that allows no replays.
   */
  async #refused(): Promise<void> {
    const state = this.#state && (await this.#api.streamState(this.#state.name).catch(() => undefined))
    if (this.#closed || (state && this.#isUnreadable(state))) return
    this.#events.refused()
    this.#end(503, replayStatus.unavailable)
  }

  /** Ends all replays with the reason if the stream's configuration makes them impossible. */
  #isUnreadable({ config }: StreamState): boolean {
    const reason = whyUnreadable(config, this.#filter)
    if (reason !== undefined) this.#end(422, reason)
    return reason !== undefined
  }

  #follow(state: StreamState): void {
    this.#state = state
    this.#following.stop()
    this.#following = followStream(
      this.#api,
      { stream: state.name, filter: this.#filter, from: state.lastSeq + 1 },
      {
        message: (message) => this.#message(message),
        started: (next, state) => this.#started(next, state),
        trouble: (error) => {
          if (isSpanwireError(error, 'unsupported')) this.#end(501, replayStatus.tooOld)
          else if (isRefusal(error)) void this.#refused()
        },
      },
    )
  }

  #started(next: number, state: StreamState): void {
    if (this.#isUnreadable(state)) return
    const before = this.#state as StreamState
    if (state.epoch !== before.epoch || state.lastSeq + 1 < next)
      return this.#renew(state, state.epoch !== before.epoch)
    this.#state = state
    if (!this.#history) {
      this.#events.opened()
      this.#settle(state, next)
      for (const follower of this.#followers.values()) void this.#admit(follower)
      return
    }
    // Messages that the stream lost during an outage, before they could be read.
    const missing = clip(missingFrom(state), next, state.lastSeq)
    this.#history.ring.addMissing(missing)
    for (const follower of this.#followers.values())
      if (follower.live) follower.reportGap(clip(missing, follower.next ?? 0, state.lastSeq))
  }

  /** The stream was recreated or went back. All followers begin again. */
  #renew(state: StreamState, recreated: boolean): void {
    const start = recreated ? Math.max(state.firstSeq, 1) : state.lastSeq + 1
    const isFirst = this.#history === undefined
    this.#settle(state, state.lastSeq + 1)
    for (const follower of this.#followers.values()) {
      follower.live = false
      follower.snapshot = undefined
      // A follower whose start is still being resolved continues.
      if (isFirst || follower.next === undefined) continue
      follower.exempt = missingFrom(state)
      follower.next = recreated ? start : Math.min(follower.next, start)
      this.#reportOpening(follower, state, follower.next)
    }
    this.#follow(state)
    for (const follower of this.#followers.values()) {
      if (isFirst) void this.#admit(follower)
      else this.#advance(follower)
    }
  }

  #settle(state: StreamState, next: number): void {
    this.#starts.clear()
    this.#history?.close()
    const refused = () => void this.#refused()
    this.#history = new History(this.#api, { stream: state, filter: this.#filter, next, refused }, this.#options)
  }

  /** Resolves the start of a follower, reports it, and begins to deliver. */
  async #admit(follower: Follower): Promise<void> {
    const backoff = createBackoff(RETRIES)
    while (!follower.ended && !this.#closed) {
      const history = this.#history as History
      try {
        await this.#place(follower, history)
        if (history === this.#history) return this.#advance(follower)
      } catch (error) {
        if (isSpanwireError(error, 'payload-too-large')) return follower.end(413, replayStatus.tooMany)
        if (isRefusal(error)) return follower.end(503, replayStatus.unavailable)
        await pause(backoff.next())
      }
    }
  }

  async #place(follower: Follower, history: History): Promise<void> {
    const isCurrent = () => !follower.ended && history === this.#history
    const user = shareOf(follower.subscription.client)
    const api = this.#options.apiFor(user)
    const known = this.#state as StreamState
    // While the feed had no followers, the stream may have been recreated without the consumer's notice.
    if (this.#followers.size === 1) {
      const fresh = await this.#starts.freshState(api, known)
      if (isCurrent() && fresh.epoch !== this.#state?.epoch) return this.#renew(fresh, true)
    }
    const { start } = follower
    const query = { start, known: this.#state as StreamState, ring: history.ring, api, user }
    const { state, next, exempt, snapshot } = await this.#starts.resolve(query)
    if (!isCurrent()) return
    if (state.epoch !== this.#state?.epoch) return this.#renew(state, true)
    if (exempt) follower.exempt = exempt
    follower.snapshot = snapshot
    follower.snapshotAt = 0
    this.#reportOpening(follower, state, next)
    follower.next = next
  }

  #reportOpening(follower: Follower, { name, epoch, firstSeq, lastSeq }: StreamState, start: number): void {
    const last = Math.max(lastSeq, this.#history?.ring.head ?? 0)
    follower.open({ stream: name, epoch, first: firstSeq, last, start })
  }

  #message(message: StoredMessage): void {
    this.#history?.ring.add(message)
    for (const follower of this.#followers.values()) {
      if (!follower.live || message.seq < (follower.next ?? 0)) continue
      if (follower.unread > this.#options.maxLiveUnread) {
        // It reads too slowly. From here on it reads stored messages at its own pace, and loses none.
        follower.live = false
        this.#advance(follower)
      } else {
        follower.deliver(message, 0)
      }
    }
  }

  #advance(follower: Follower): void {
    if (!this.#closed) this.#history?.advance(follower, () => this.#advance(follower))
  }
}
