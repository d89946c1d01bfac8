import type { JetStreamApi, StreamState } from '../../sdk/jetstream/api.ts'
import type { StoredMessage } from '../../sdk/jetstream/jetstream-link.ts'
import { type Following, followStream } from '../../sdk/jetstream/ordered-consumer.ts'
import { readLastPerSubject, resolveStart } from '../../sdk/jetstream/page.ts'
import { createBackoff } from '../../sdk/kit/backoff.ts'
import { pause } from '../../sdk/kit/pause.ts'
import { isSpanwireError } from '../../sdk/wire/errors.ts'
import { replayStatus } from '../../sdk/wire/replay-frames.ts'
import { clip, missingFrom, type SequenceRanges } from '../../sdk/wire/sequence-ranges.ts'
import type { Subscription } from '../delivery/subscription.ts'
import { Backlog } from './backlog.ts'
import { Follower } from './follower.ts'
import { Memo } from './memo.ts'
import { type Budget, Ring, type RingLimits } from './ring.ts'

export interface FeedOptions {
  readonly ring: RingLimits
  readonly budget: Budget
  /** Most that `last-per-subject` holds in memory. */
  readonly snapshot: RingLimits
  /** A client with more bytes unread than this is given no backlog for now. */
  readonly backlogMark: number
  /** A live client with more bytes unread than this reads at its own pace from then on. */
  readonly liveMark: number
}

/** How long a feed stays after its last follower has left, in ms: a network's hiccup takes all of them for a moment. */
const LINGER = 30_000
/** Delays before the broker is asked again. */
const RETRIES = { first: 500, longest: 5_000 }
const CLOSED: Following = { next: 0, restart() {}, stop() {} }

/**
 * One filter of one stream, for everybody at this hub who follows it: one consumer, a ring of recent messages, and reads
 * of older ones that all who need them share.
 */
export class Feed {
  readonly #api: JetStreamApi
  readonly #filter: string
  readonly #options: FeedOptions
  readonly #followers = new Map<Subscription, Follower>()
  readonly #memo = new Memo()
  readonly #ended: () => void
  #state: StreamState | undefined
  #ring: Ring | undefined
  #backlog: Backlog | undefined
  #following: Following = CLOSED
  #closed = false
  #lingering: ReturnType<typeof setTimeout> | undefined

  /** @param ended called when the feed is of no more use */
  constructor(api: JetStreamApi, filter: string, options: FeedOptions, ended: () => void) {
    this.#api = api
    this.#filter = filter
    this.#options = options
    this.#ended = ended
    void this.#open()
  }

  add(subscription: Subscription): void {
    if (!subscription.replay) return
    clearTimeout(this.#lingering)
    const follower = new Follower(subscription, subscription.replay)
    this.#followers.set(subscription, follower)
    if (this.#ring) void this.#admit(follower)
  }

  /** Returns whether nobody is left: then it stays a while. */
  remove(subscription: Subscription): boolean {
    const follower = this.#followers.get(subscription)
    if (!follower) return false
    follower.ended = true
    this.#followers.delete(subscription)
    if (this.#followers.size > 0 || this.#closed) return false
    clearTimeout(this.#lingering)
    this.#lingering = setTimeout(() => this.close(), LINGER)
    return true
  }

  /** The broker is within reach again: what was missed meanwhile is read at once. */
  reconnected(): void {
    this.#following.restart()
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    clearTimeout(this.#lingering)
    this.#following.stop()
    this.#backlog?.close()
    this.#ring?.clear()
    this.#ended()
  }

  async #open(): Promise<void> {
    const backoff = createBackoff(RETRIES)
    while (!this.#closed) {
      try {
        const state = await this.#api.findStream(this.#filter)
        if (this.#closed) return
        if (state) return this.#follow(state)
        return this.#refuse()
      } catch (error) {
        if (isSpanwireError(error, 'stream-not-found') || isSpanwireError(error, 'stream-conflict')) {
          return this.#refuse()
        }
      }
      await pause(backoff.next())
    }
  }

  #refuse(): void {
    for (const follower of [...this.#followers.values()]) follower.end(404, replayStatus.noStream)
    this.close()
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
      },
    )
  }

  #started(next: number, state: StreamState): void {
    const before = this.#state as StreamState
    if (state.epoch !== before.epoch || state.lastSeq + 1 < next)
      return this.#renew(state, state.epoch !== before.epoch)
    this.#state = state
    if (!this.#ring) {
      this.#settle(state, next)
      for (const follower of this.#followers.values()) void this.#admit(follower)
      return
    }
    // After an outage: what the stream lost before it could be read.
    const missing = clip(missingFrom(state), next, state.lastSeq)
    this.#ring.skip(missing)
    for (const follower of this.#followers.values())
      if (follower.live) follower.miss(clip(missing, follower.next ?? 0, state.lastSeq))
  }

  /** The stream is another, or went back: everybody begins anew with what there is. */
  #renew(state: StreamState, recreated: boolean): void {
    const start = recreated ? Math.max(state.firstSeq, 1) : state.lastSeq + 1
    const known = this.#ring !== undefined
    this.#settle(state, state.lastSeq + 1)
    for (const follower of this.#followers.values()) {
      follower.live = false
      follower.snapshot = undefined
      // Whoever is still being placed goes on with that.
      if (!known || follower.next === undefined) continue
      follower.exempt = missingFrom(state)
      follower.next = recreated ? start : Math.min(follower.next ?? start, start)
      this.#tellOpened(follower, state, follower.next)
    }
    this.#follow(state)
    for (const follower of this.#followers.values()) {
      if (!known) void this.#admit(follower)
      else this.#advance(follower)
    }
  }

  #settle(state: StreamState, next: number): void {
    this.#memo.clear()
    this.#ring?.clear()
    this.#backlog?.close()
    const ring = new Ring(next, this.#options.ring, this.#options.budget)
    this.#ring = ring
    this.#backlog = new Backlog(this.#api, state, this.#filter, ring, this.#options.budget)
  }

  /** Finds out where a follower begins, and tells it. */
  async #admit(follower: Follower): Promise<void> {
    const backoff = createBackoff(RETRIES)
    while (!follower.ended && !this.#closed) {
      const ring = this.#ring
      try {
        await this.#place(follower, ring as Ring)
        if (ring === this.#ring) return this.#advance(follower)
      } catch (error) {
        if (isSpanwireError(error, 'payload-too-large')) return follower.end(413, replayStatus.tooMany)
        await pause(backoff.next())
      }
    }
  }

  async #place(follower: Follower, ring: Ring): Promise<void> {
    const { start } = follower
    // While nobody followed, the stream may have been made again, and the consumer not have noticed yet.
    if (this.#followers.size === 1) {
      const now = await this.#freshState()
      if (ring === this.#ring && now.epoch !== this.#state?.epoch) return this.#renew(now, true)
    }
    const known = this.#state as StreamState
    const isHere = () => !follower.ended && ring === this.#ring
    const open = (state: StreamState, next: number) => {
      if (!isHere()) return
      this.#tellOpened(follower, state, next)
      follower.next = next
    }
    if (start.at === 'new') return open(known, ring.head + 1)
    // Most who come back ask for what the ring has: no question to the broker.
    if (start.at === 'seq' && start.seq <= Math.max(known.lastSeq, ring.head) + 1) return open(known, start.seq)
    const fresh = await this.#freshState()
    if (isHere() && fresh.epoch !== this.#state?.epoch) return this.#renew(fresh, true)
    // What has come in since it was asked.
    const state = { ...fresh, lastSeq: Math.max(fresh.lastSeq, ring.head) }
    if (start.at === 'seq') return open(state, start.seq)
    follower.exempt = missingFrom(state)
    if (start.at === 'last-per-subject') {
      const { snapshot } = this.#options
      const made = await this.#memo.get('snapshot', () => readLastPerSubject(this.#api, state, this.#filter, snapshot))
      if (!isHere()) return
      follower.snapshot = made
      follower.snapshotRead = 0
      return open(state, made.messages[0]?.seq ?? made.upTo + 1)
    }
    open(
      state,
      await this.#memo.get(`${JSON.stringify(start)} ${ring.head}`, () =>
        resolveStart(this.#api, state, this.#filter, start),
      ),
    )
  }

  /** As of a moment ago, and one question for all who ask at the same time. */
  #freshState(): Promise<StreamState> {
    return this.#memo.get('state', async () => {
      const state = await this.#api.streamState((this.#state as StreamState).name, { deleted: true })
      return state ?? (this.#state as StreamState)
    })
  }

  #tellOpened(follower: Follower, { name, epoch, firstSeq, lastSeq }: StreamState, start: number): void {
    const last = Math.max(lastSeq, this.#ring?.head ?? 0)
    follower.opened({ stream: name, epoch, first: firstSeq, last, start })
  }

  #message(message: StoredMessage): void {
    const ring = this.#ring as Ring
    ring.add(message)
    for (const follower of this.#followers.values()) {
      if (!follower.live || message.seq < (follower.next ?? 0)) continue
      if (follower.unread > this.#options.liveMark) {
        // It doesn't keep up: from here on it reads at its own pace, and nothing is lost.
        follower.live = false
        this.#advance(follower)
      } else {
        follower.deliver(message, 0)
      }
    }
  }

  /** Gives a follower what is stored, as far as there is room, until it is live. */
  #advance(follower: Follower): void {
    const { backlogMark } = this.#options
    const later = () => this.#advance(follower)
    while (!follower.ended && !follower.live && !this.#closed && follower.next !== undefined) {
      if (follower.unread >= backlogMark) return follower.subscription.owner.whenRead(backlogMark, later)
      const ring = this.#ring as Ring
      const { next, snapshot } = follower
      if (snapshot) this.#deliverSnapshot(follower, snapshot)
      else if (next > ring.head) follower.goLive()
      else if (next >= ring.floor)
        this.#deliverAll(follower, ring.messages, ring.indexFrom(next), ring.head, ring.missing)
      else {
        const page = this.#backlog?.pageAt(next)
        if (!page) return void this.#backlog?.read(next, later)
        const index = page.messages.findIndex(({ seq }) => seq >= next)
        this.#deliverAll(follower, page.messages, index < 0 ? page.messages.length : index, page.to, page.missing)
      }
    }
  }

  #deliverSnapshot(follower: Follower, { messages, upTo }: NonNullable<Follower['snapshot']>): void {
    while (follower.snapshotRead < messages.length) {
      if (follower.ended || follower.unread >= this.#options.backlogMark) return
      const at = follower.snapshotRead++
      follower.deliver(messages[at] as StoredMessage, messages.length - 1 - at)
    }
    follower.snapshot = undefined
    follower.next = upTo + 1
  }

  /** Delivers from an index on. What is missing is told before what comes after it. */
  #deliverAll(
    follower: Follower,
    messages: readonly StoredMessage[],
    index: number,
    to: number,
    missing: SequenceRanges,
  ): void {
    for (let at = index; at < messages.length; at++) {
      if (follower.ended || follower.unread >= this.#options.backlogMark) return
      const message = messages[at] as StoredMessage
      if (missing.length > 0) follower.miss(clip(missing, follower.next ?? 0, message.seq - 1))
      follower.deliver(message, messages.length - 1 - at)
    }
    if (follower.ended) return
    if (missing.length > 0) follower.miss(clip(missing, follower.next ?? 0, to))
    follower.next = to + 1
  }
}
