import type { JetStreamApi, StreamState } from '../../sdk/jetstream/api.ts'
import type { StoredMessage } from '../../sdk/jetstream/jetstream-link.ts'
import { clip, type SequenceRanges } from '../../sdk/wire/sequence-ranges.ts'
import type { Reserve } from '../budget/budget.ts'
import { Backlog } from './backlog.ts'
import type { Follower } from './follower.ts'
import { Ring, type RingLimits } from './ring.ts'

/** Bounds of a {@link History}. */
export interface HistoryOptions {
  readonly ring: RingLimits
  readonly cache: Reserve
  /** Unread bytes with which a client gets no stored messages for now. */
  readonly maxBacklogUnread: number
}

/** A filter of a stream. */
export interface HistorySource {
  readonly stream: StreamState
  readonly filter: string
  /** The first sequence that may be added to the ring. */
  readonly next: number
  /** The stream refuses to be read. */
  readonly refused: () => void
}

/** Consecutive stored messages, from `from` on. */
interface Stored {
  readonly messages: readonly StoredMessage[]
  /** Index of the first message to deliver. */
  readonly from: number
  /** Sequence of the last message that this covers. */
  readonly to: number
  readonly missing: SequenceRanges
}

/** Stored messages of one filter of one stream: a ring of recent ones, and older ones on demand. */
export class History {
  readonly ring: Ring
  readonly #backlog: Backlog
  readonly #maxUnread: number

  constructor(api: JetStreamApi, { stream, filter, next, refused }: HistorySource, options: HistoryOptions) {
    const { cache } = options
    this.ring = new Ring(next, options.ring, cache)
    this.#backlog = new Backlog(api, { stream, filter, ring: this.ring, cache, refused })
    this.#maxUnread = options.maxBacklogUnread
  }

  /** Drops messages that can be read again. */
  shed(): void {
    this.ring.clear()
    this.#backlog.shed()
  }

  close(): void {
    this.ring.clear()
    this.#backlog.close()
  }

  /**
   * Delivers stored messages until the client is live, or has too many bytes unread.
   * @param again called when it can continue
   */
  advance(follower: Follower, again: () => void): void {
    while (!follower.ended && !follower.live && follower.next !== undefined) {
      if (follower.unread >= this.#maxUnread) return follower.subscription.sendQueue.whenRead(this.#maxUnread, again)
      if (follower.snapshot) this.#deliverSnapshot(follower, follower.snapshot)
      else if (follower.next > this.ring.head) follower.goLive()
      else {
        const stored = this.#storedAt(follower.next)
        if (!stored) return this.#backlog.read(follower.next, again)
        this.#deliver(follower, stored)
      }
    }
  }

  #storedAt(next: number): Stored | undefined {
    const { ring } = this
    if (next >= ring.floor)
      return { messages: ring.messages, from: ring.indexFrom(next), to: ring.head, missing: ring.missing }
    const page = this.#backlog.pageAt(next)
    if (!page) return undefined
    const { messages, to, missing } = page
    const index = messages.findIndex(({ seq }) => seq >= next)
    return { messages, from: index < 0 ? messages.length : index, to, missing }
  }

  /** Each gap is reported before the messages after it. */
  #deliver(follower: Follower, { messages, from, to, missing }: Stored): void {
    for (let at = from; at < messages.length; at++) {
      if (follower.ended || follower.unread >= this.#maxUnread) return
      const message = messages[at] as StoredMessage
      if (missing.length > 0) follower.reportGap(clip(missing, follower.next ?? 0, message.seq - 1))
      follower.deliver(message, messages.length - 1 - at)
    }
    if (follower.ended) return
    if (missing.length > 0) follower.reportGap(clip(missing, follower.next ?? 0, to))
    follower.next = to + 1
  }

  #deliverSnapshot(follower: Follower, { messages, upTo }: NonNullable<Follower['snapshot']>): void {
    while (follower.snapshotAt < messages.length) {
      if (follower.ended || follower.unread >= this.#maxUnread) return
      const at = follower.snapshotAt++
      follower.deliver(messages[at] as StoredMessage, messages.length - 1 - at)
    }
    follower.snapshot = undefined
    follower.next = upTo + 1
  }
}
