/** Where a subscription to a stream is: pure decisions, without a connection. */

import type { Gap, SeqRange } from '../contract/gap.ts'
import type { ReplayOpening, ReplayStart } from '../wire/replay-frames.ts'
import { subtract, unite } from '../wire/sequence-ranges.ts'
import type { Cursor } from './cursor.ts'

export interface Place {
  /** Where it began, while it may have to begin there again. */
  readonly from: ReplayStart
  /** Undefined until the first opening. */
  readonly cursor: Cursor | undefined
  /** From `cursor.next` on: what the application knows to be gone. */
  readonly told: readonly SeqRange[]
  /** The last message of each subject is being delivered: not every sequence comes. */
  readonly sparse: boolean
}

/** What an opening leads to. */
export interface Opened {
  readonly place: Place
  /** To be told. */
  readonly gap?: Omit<Gap, 'subject'>
  /** What this replay delivers isn't what is wanted: it must be asked for again. */
  readonly again: boolean
}

/** @param cursor goes before `from` */
export function begin(from: ReplayStart, cursor?: Cursor): Place {
  return { from, cursor, told: [], sparse: !cursor && from.at === 'last-per-subject' }
}

/** What to ask for. */
export function startOf({ from, cursor, sparse }: Place): ReplayStart {
  // After an interruption the last message of each subject is asked for once more; what came already is dropped.
  return cursor && !sparse ? { at: 'seq', seq: cursor.next } : from
}

/** A replay opened, or began anew. */
export function open(place: Place, { stream, epoch, first, last, start }: ReplayOpening): Opened {
  const { cursor, sparse } = place
  if (!cursor) {
    // `start` is of no help when most sequences are left out.
    const next = sparse ? Math.max(first, 1) : start
    return { place: { ...place, cursor: { stream, epoch, next } }, again: false }
  }
  const all = { from: { at: 'all' }, told: [], sparse: false } as const
  if (cursor.stream !== stream || cursor.epoch !== epoch) {
    const next = Math.max(first, 1)
    return {
      place: { ...all, cursor: { stream, epoch, next } },
      gap: { reason: 'recreated', stream, ranges: [] },
      again: start > next,
    }
  }
  if (last + 1 < cursor.next) {
    return {
      place: { ...all, cursor: { ...cursor, next: last + 1 } },
      gap: { reason: 'truncated', stream, ranges: [{ from: last + 1, to: cursor.next - 1 }] },
      again: start > last + 1,
    }
  }
  // Sequences beyond the end will be given to other messages.
  const told = subtract(place.told, [{ from: last + 1, to: Number.POSITIVE_INFINITY }])
  return { place: { ...place, told }, again: false }
}

/** A message came. Undefined: it came before, and is dropped. */
export function take(place: Place, seq: number): Place | undefined {
  const { cursor, told } = place
  if (!cursor || seq < cursor.next) return undefined
  return { ...place, cursor: { ...cursor, next: seq + 1 }, told: told.length > 0 ? pruned(told, seq + 1) : told }
}

/** Sequences are gone. `fresh` are those that are to be told. */
export function lose(place: Place, ranges: readonly SeqRange[]): { place: Place; fresh: readonly SeqRange[] } {
  const { cursor } = place
  if (!cursor) return { place, fresh: [] }
  const fresh = subtract(ranges, [{ from: 0, to: cursor.next - 1 }, ...place.told])
  const told = unite(place.told, fresh)
  // What is gone at the very place is behind us.
  const [head] = told
  const next = !place.sparse && head && head.from <= cursor.next ? head.to + 1 : cursor.next
  return { place: { ...place, cursor: { ...cursor, next }, told: pruned(told, next) }, fresh }
}

/** The past is delivered: from now on every sequence counts. */
export function catchUp(place: Place): Place {
  return place.sparse ? { ...place, sparse: false } : place
}

function pruned(told: readonly SeqRange[], next: number): readonly SeqRange[] {
  return told.filter(({ to }) => to >= next)
}
