/** The position of a subscription in a stream: pure decisions, without a connection. */

import type { Gap, SeqRange } from '../contract/gap.ts'
import type { ReplayOpening, ReplayStart } from '../wire/replay-frames.ts'
import { subtract, unite } from '../wire/sequence-ranges.ts'
import type { Cursor } from './cursor.ts'

/** The position of a subscription in a stream. */
export interface Position {
  /** Start of the subscription. It is used again while `sparse`, and until the first opening. */
  readonly from: ReplayStart
  /** Undefined until the first opening. */
  readonly cursor: Cursor | undefined
  /** Missing sequences from `cursor.next` on that were reported. */
  readonly reported: readonly SeqRange[]
  /** The last message of each subject is being delivered, so sequences are skipped. */
  readonly sparse: boolean
}

/** The result of an opening. */
export interface Opened {
  readonly position: Position
  /** Gap to report. */
  readonly gap?: Omit<Gap, 'subject'>
  /** The replay began after the position. It must be requested again. */
  readonly again: boolean
}

/** @param cursor has priority over `from` */
export function begin(from: ReplayStart, cursor?: Cursor): Position {
  return { from, cursor, reported: [], sparse: !cursor && from.at === 'last-per-subject' }
}

/** Returns the start to request. */
export function startOf({ from, cursor, sparse }: Position): ReplayStart {
  // After an interruption the last message of each subject is requested again. Messages that were delivered are dropped.
  return cursor && !sparse ? { at: 'seq', seq: cursor.next } : from
}

/** A replay opened, or opened again. */
export function open(position: Position, { stream, epoch, first, last, start }: ReplayOpening): Opened {
  const { cursor, sparse } = position
  if (!cursor) {
    // While sequences are skipped, `start` does not show which messages are missing.
    const next = sparse ? Math.max(first, 1) : start
    return { position: { ...position, cursor: { stream, epoch, next } }, again: false }
  }
  const all = { from: { at: 'all' }, reported: [], sparse: false } as const
  if (cursor.stream !== stream || cursor.epoch !== epoch) {
    const next = Math.max(first, 1)
    return {
      position: { ...all, cursor: { stream, epoch, next } },
      gap: { reason: 'recreated', stream, ranges: [] },
      again: start > next,
    }
  }
  if (last + 1 < cursor.next) {
    return {
      position: { ...all, cursor: { ...cursor, next: last + 1 } },
      gap: { reason: 'truncated', stream, ranges: [{ from: last + 1, to: cursor.next - 1 }] },
      again: start > last + 1,
    }
  }
  // The stream will assign sequences after the last to other messages.
  const reported = subtract(position.reported, [{ from: last + 1, to: Number.POSITIVE_INFINITY }])
  return { position: { ...position, reported }, again: false }
}

/** A message arrived. Returns undefined if it was delivered before, and must be dropped. */
export function take(position: Position, seq: number): (Position & { readonly cursor: Cursor }) | undefined {
  const { cursor, reported } = position
  if (!cursor || seq < cursor.next) return undefined
  const rest = reported.length > 0 ? pruned(reported, seq + 1) : reported
  return { ...position, cursor: { ...cursor, next: seq + 1 }, reported: rest }
}

/** Sequences are missing. `fresh` contains the sequences that were not reported before. */
export function lose(
  position: Position,
  ranges: readonly SeqRange[],
): { readonly position: Position; readonly fresh: readonly SeqRange[] } {
  const { cursor } = position
  if (!cursor) return { position, fresh: [] }
  const fresh = subtract(ranges, [{ from: 0, to: cursor.next - 1 }, ...position.reported])
  const reported = unite(position.reported, fresh)
  // A range that begins at the position is skipped.
  const [head] = reported
  const next = !position.sparse && head && head.from <= cursor.next ? head.to + 1 : cursor.next
  return { position: { ...position, cursor: { ...cursor, next }, reported: pruned(reported, next) }, fresh }
}

/** The backlog was delivered. From now on no sequence is skipped. */
export function catchUp(position: Position): Position {
  return position.sparse ? { ...position, sparse: false } : position
}

function pruned(ranges: readonly SeqRange[], next: number): readonly SeqRange[] {
  return ranges.filter(({ to }) => to >= next)
}
