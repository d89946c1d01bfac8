import type { StoredMessage } from '../../sdk/jetstream/jetstream-link.ts'
import { encodeHeaders } from '../../sdk/wire/headers.ts'
import {
  encodeAckSubject,
  REPLAY_STATUS_SUBJECT,
  type ReplayOpening,
  type ReplayStart,
  replayHeaders,
  replayStatus,
} from '../../sdk/wire/replay-frames.ts'
import { formatRanges, type SequenceRanges, subtract } from '../../sdk/wire/sequence-ranges.ts'
import { encodeMessage } from '../../sdk/wire/server-op.ts'
import { originOf } from '../delivery/origin-header.ts'
import type { Subscription } from '../delivery/subscription.ts'

const EMPTY = new Uint8Array(0)
/** Ranges of one status: a header must not grow without bound. */
const RANGES = 256
/** The name of every stream for clients with a subject prefix: the real one may tell of it. */
const HIDDEN = 'EDGE'

/** The frame that was made last of a message: followers who come back together share it. */
const frames = new WeakMap<
  StoredMessage,
  { readonly key: string; readonly pending: number; readonly frame: Uint8Array }
>()

/** A status message on a replay's sid. */
export function encodeStatus(
  sid: string,
  code: number,
  description: string,
  fields: ReadonlyArray<readonly [string, string]> = [],
): Uint8Array {
  return encodeMessage(REPLAY_STATUS_SUBJECT, sid, EMPTY, { headers: encodeHeaders(fields, code, description) })
}

/** One client's way through a stream. */
export class Follower {
  readonly subscription: Subscription
  readonly start: ReplayStart
  /** The next sequence it wants; undefined while that is found out. */
  next: number | undefined
  /** It gets what comes in; else it reads what is stored, at its own pace. */
  live = false
  ended = false
  /** Sequences that were gone before it asked. */
  exempt: SequenceRanges = []
  /** The last message of each subject, which comes before everything else; the sequence after which to go on. */
  snapshot: { readonly messages: readonly StoredMessage[]; readonly upTo: number } | undefined
  snapshotRead = 0
  #stream = ''
  #toldLive = false

  constructor(subscription: Subscription, start: ReplayStart) {
    this.subscription = subscription
    this.start = start
  }

  get unread(): number {
    return this.subscription.owner.unread
  }

  opened({ stream, epoch, first, last, start }: ReplayOpening): void {
    this.#stream = this.subscription.owner.scope.prefix === '' ? stream : HIDDEN
    this.#toldLive = false
    this.#say(100, replayStatus.open, [
      [replayHeaders.stream, this.#stream],
      [replayHeaders.epoch, epoch],
      [replayHeaders.first, `${first}`],
      [replayHeaders.last, `${last}`],
      [replayHeaders.start, `${start}`],
    ])
  }

  goLive(): void {
    this.live = true
    if (this.#toldLive) return
    this.#toldLive = true
    this.#say(100, replayStatus.live)
  }

  /** Tells what is gone, but for what was gone before. */
  miss(ranges: SequenceRanges): void {
    const news = ranges.length === 0 ? ranges : subtract(ranges, this.exempt)
    for (let at = 0; at < news.length; at += RANGES)
      this.#say(410, replayStatus.gap, [[replayHeaders.gap, formatRanges(news.slice(at, at + RANGES))]])
  }

  /** Says the last word on this sid, and frees it. */
  end(code: number, description: string): void {
    this.#say(code, description)
    this.subscription.owner.exhausted(this.subscription)
  }

  deliver(message: StoredMessage, pending: number): void {
    const { subscription } = this
    this.next = message.seq + 1
    if (subscription.needsCare && !subscription.accepts(toUpstream(message), originOf(message.headerBlock ?? EMPTY))) {
      return
    }
    subscription.owner.write(this.#encode(message, pending), subscription.window)
    subscription.count()
  }

  #encode(message: StoredMessage, pending: number): Uint8Array {
    const { sid, owner, filter } = this.subscription
    const key = `${sid} ${owner.headers} ${owner.scope.keyOf(filter)}`
    const made = frames.get(message)
    if (made?.key === key && made.pending === pending) return made.frame
    const { subject, seq, time, headerBlock, payload } = message
    const frame = encodeMessage(owner.scope.toClient(subject) ?? subject, sid, payload, {
      reply: encodeAckSubject(this.#stream, seq, time, pending),
      headers: owner.headers ? headerBlock : undefined,
    })
    frames.set(message, { key, pending, frame })
    return frame
  }

  #say(code: number, description: string, fields: ReadonlyArray<readonly [string, string]> = []): void {
    this.subscription.owner.write(encodeStatus(this.subscription.sid, code, description, fields))
  }
}

function toUpstream({ subject, headerBlock, payload }: StoredMessage) {
  return { subject, ...(headerBlock && { headers: headerBlock }), payload }
}
