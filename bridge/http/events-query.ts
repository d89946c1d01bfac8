import type { Context } from 'hono'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { parseReplay, REPLAY_STATUS_SUBJECT, type ReplayStart } from '../../sdk/wire/replay-frames.ts'
import { filtersOverlap, isSubjectFilter, isSubsetFilter } from '../../sdk/wire/subject.ts'
import { type EventCursor, parseCursor } from './event-cursor.ts'

/** What a reader of events asks for. */
export interface EventsQuery {
  readonly filters: readonly string[]
  /** Where those begin that the cursor doesn't know. */
  readonly from: ReplayStart
  readonly cursor: EventCursor
  /** Whether a browser comes again that was cut off. */
  readonly again: boolean
}

/** Filters of one request. Each is a subscription of the session, and a part of every event's id. */
const MAX_FILTERS = 32
/** In characters. The hub has its own limit; this keeps the line that asks it short enough to be read. */
const MAX_LENGTH = 1_024

/**
 * Reads `?subject=a&subject=b&from=…&cursor=…` and `Last-Event-ID`. A filter that lies within another one is left out;
 * messages of two filters that only overlap would come twice, so those are refused.
 * @throws SpanwireError `invalid-argument`, `invalid-subject`
 */
export function readEventsQuery(c: Context): EventsQuery {
  const given = [...new Set(c.req.queries('subject') ?? [])]
  if (given.length === 0 || given.length > MAX_FILTERS) {
    throw new SpanwireError('invalid-argument', `Name from 1 to ${MAX_FILTERS} subjects: ?subject=a.b&subject=c.*`)
  }
  for (const filter of given) {
    if (!isSubjectFilter(filter) || filter.length > MAX_LENGTH)
      throw new SpanwireError('invalid-subject', `${JSON.stringify(filter.slice(0, 80))} is no subject filter.`)
  }
  const filters = given.filter((one) => !given.some((other) => other !== one && isSubsetFilter(one, other)))
  for (const [index, one] of filters.entries()) {
    const other = filters.slice(index + 1).find((next) => filtersOverlap(one, next))
    if (other !== undefined)
      throw new SpanwireError('invalid-argument', `${one} and ${other} overlap: ask for one that holds both, or twice.`)
  }
  const lastId = c.req.header('Last-Event-ID') || undefined
  const cursor = lastId ?? c.req.query('cursor')
  return {
    filters,
    from: readFrom(c.req.query('from'), 'new'),
    cursor: cursor ? parseCursor(cursor, filters) : new Map(),
    again: lastId !== undefined,
  }
}

/**
 * `all`, `new`, `last`, `last-per-subject`, `n<count>`, `s<sequence>` or `t<ms since 1970>`.
 * @throws SpanwireError `invalid-argument`
 */
export function readFrom(text: string | undefined, otherwise: 'all' | 'new'): ReplayStart {
  if (text === undefined) return { at: otherwise }
  const replay = parseReplay(`${REPLAY_STATUS_SUBJECT}.${text}.x`)
  if (replay?.filter === 'x') return replay.start
  throw new SpanwireError(
    'invalid-argument',
    'from must be all, new, last, last-per-subject, n<count>, s<sequence> or t<ms since 1970>.',
  )
}
