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
import { TENANT_STREAM, toClientHeaders } from '../delivery/client-headers.ts'
import { originOf } from '../delivery/origin-header.ts'
import type { Subscription } from '../delivery/subscription.ts'
import type { Snapshot } from './start-resolver.ts'

const EMPTY = new Uint8Array(0)
/** Ranges in one status message, so that its headers stay small. */
const MAX_RANGES = 256

type StatusFields = ReadonlyArray<readonly [string, string]>

/** The last frame of each message. Followers that resume together share it. */
const frames = new WeakMap<
  StoredMessage,
  { readonly key: string; readonly pending: number; readonly frame: Uint8Array }
>()

/** A status message on the sid of a replay. */
export function encodeStatus(sid: string, code: number, description: string, fields: StatusFields = []): Uint8Array {
  return encodeMessage(REPLAY_STATUS_SUBJECT, sid, EMPTY, { headers: encodeHeaders(fields, code, description) })
}

/** The position of one client in a stream. */
export class Follower {
  readonly subscription: Subscription
  readonly start: ReplayStart
  /** The next sequence for this client. Undefined until its start is resolved. */
  next: number | undefined
  /** Whether it gets new messages as they arrive. Otherwise it reads stored ones at its own pace. */
  live = false
  ended = false
  /** Sequences that were missing before the replay began. They are not reported as a gap. */
  exempt: SequenceRanges = []
  /** Index of the next message of the snapshot. */
  snapshotAt = 0
  /** Messages to deliver before all others. */
  #snapshot: Snapshot | undefined
  #stream = ''
  #reportedLive = false

  constructor(subscription: Subscription, start: ReplayStart) {
    this.subscription = subscription
    this.start = start
  }

  get snapshot(): Snapshot | undefined {
    return this.#snapshot
  }

  /** Its memory counts for the clients that have not read it yet. */
  set snapshot(snapshot: Snapshot | undefined) {
    const { held } = this.subscription.sendQueue
    if (this.#snapshot) this.#snapshot.followers--
    if (snapshot) snapshot.followers++
    this.#snapshot = snapshot
    if (snapshot) held.attach(this)
    else held.detach(this)
  }

  /** In bytes. */
  get heldBytes(): number {
    return this.#snapshot?.share ?? 0
  }

  get unread(): number {
    return this.subscription.sendQueue.unread
  }

  /** Reports that the replay opens, or opens again. */
  open({ stream, epoch, first, last, start }: ReplayOpening): void {
    this.#stream = this.subscription.client.scope.prefix === '' ? stream : TENANT_STREAM
    this.#reportedLive = false
    this.#sendStatus(100, replayStatus.open, [
      [replayHeaders.stream, this.#stream],
      [replayHeaders.epoch, epoch],
      [replayHeaders.first, `${first}`],
      [replayHeaders.last, `${last}`],
      [replayHeaders.start, `${start}`],
    ])
  }

  goLive(): void {
    this.live = true
    if (this.#reportedLive) return
    this.#reportedLive = true
    this.#sendStatus(100, replayStatus.live)
  }

  /** Reports a gap: sequences that the stream no longer has, except for the exempt ones. */
  reportGap(ranges: SequenceRanges): void {
    const gap = ranges.length === 0 ? ranges : subtract(ranges, this.exempt)
    for (let at = 0; at < gap.length; at += MAX_RANGES)
      this.#sendStatus(410, replayStatus.gap, [[replayHeaders.gap, formatRanges(gap.slice(at, at + MAX_RANGES))]])
  }

  /** Sends a final status and ends the subscription. */
  end(code: number, description: string): void {
    this.#sendStatus(code, description)
    this.subscription.end()
  }

  /** @param pending messages of the same read that follow this one */
  deliver(message: StoredMessage, pending: number): void {
    const { subscription } = this
    this.next = message.seq + 1
    if (
      subscription.needsCheck(true) &&
      !subscription.accepts(toUpstream(message), originOf(message.headerBlock ?? EMPTY))
    )
      return
    subscription.sendQueue.write(this.#encode(message, pending), subscription.window)
    subscription.count()
  }

  #encode(message: StoredMessage, pending: number): Uint8Array {
    const { sid, filter, client } = this.subscription
    const { scope, flags } = client
    const key = `${sid} ${flags.headers} ${scope.keyOf(filter)}`
    const known = frames.get(message)
    if (known?.key === key && known.pending === pending) return known.frame
    const { subject, seq, time, headerBlock, payload } = message
    const frame = encodeMessage(scope.toClient(subject) ?? subject, sid, payload, {
      reply: encodeAckSubject(this.#stream, seq, time, pending),
      headers: flags.headers && headerBlock ? toClientHeaders(headerBlock, scope) : undefined,
    })
    frames.set(message, { key, pending, frame })
    return frame
  }

  #sendStatus(code: number, description: string, fields: StatusFields = []): void {
    const { sid, sendQueue } = this.subscription
    sendQueue.write(encodeStatus(sid, code, description, fields))
  }
}

function toUpstream({ subject, headerBlock, payload }: StoredMessage) {
  return { subject, ...(headerBlock && { headers: headerBlock }), payload }
}
