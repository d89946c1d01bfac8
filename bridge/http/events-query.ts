import type { Context } from 'hono'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { findOverlap, joinFilters, MAX_LISTED, splitFilters } from '../../sdk/wire/filter-list.ts'
import { parseReplay, REPLAY_STATUS_SUBJECT, type ReplayStart } from '../../sdk/wire/replay-frames.ts'
import { isSubjectFilter } from '../../sdk/wire/subject.ts'
import { type EventCursor, parseCursor } from './event-cursor.ts'

/** A parsed `GET /events`. */
export interface EventsQuery {
  /** One subscription each. With `ordered`, the only one is a list of filters. */
  readonly filters: readonly string[]
  /** Start of filters that are not in the cursor. */
  readonly from: ReplayStart
  readonly cursor: EventCursor
  /** Whether a browser reconnects, with `Last-Event-ID`. */
  readonly isReconnect: boolean
}

/** Filters of one request. Each is a subscription, and a part of every event id. */
const MAX_FILTERS = MAX_LISTED
/** Longest filter, in characters. The hub has a limit of its own; this bounds the control line. */
const MAX_LENGTH = 1_024

/**
 * Reads `?subject=a&subject=b&from=…&cursor=…&ordered=true` and `Last-Event-ID`. A filter that lies within another one is dropped. Other
 * overlaps are refused, because messages would be delivered twice.
 * @throws SpanwireError `invalid-argument`, `invalid-subject`
 */
export function readEventsQuery(c: Context): EventsQuery {
  const given = [...new Set(c.req.queries('subject') ?? [])]
  if (given.length === 0 || given.length > MAX_FILTERS) {
    throw new SpanwireError('invalid-argument', `Give 1 to ${MAX_FILTERS} subjects: ?subject=a.b&subject=c.*`)
  }
  for (const filter of given) checkFilter(filter)
  const list = joinFilters(given)
  const overlap = findOverlap(list)
  if (overlap)
    throw new SpanwireError(
      'invalid-argument',
      `${overlap.join(' and ')} overlap. Use a filter that covers both, or two requests.`,
    )
  const filters = isOrdered(c.req.query('ordered')) ? [list] : given.filter((one) => splitFilters(list).includes(one))
  const lastId = c.req.header('Last-Event-ID') || undefined
  const cursor = lastId ?? c.req.query('cursor')
  return {
    filters,
    from: readFrom(c.req.query('from'), 'new'),
    cursor: cursor ? parseCursor(cursor, filters) : new Map(),
    isReconnect: lastId !== undefined,
  }
}

/** @throws SpanwireError `invalid-argument` */
function isOrdered(text = 'false'): boolean {
  if (text === 'true' || text === 'false') return text === 'true'
  throw new SpanwireError('invalid-argument', `ordered is ${JSON.stringify(text.slice(0, 80))}: use true or false.`)
}

/** @throws SpanwireError `invalid-subject` */
export function checkFilter(filter: string): void {
  if (isSubjectFilter(filter) && filter.length <= MAX_LENGTH) return
  throw new SpanwireError(
    'invalid-subject',
    `${JSON.stringify(filter.slice(0, 80))} is not a valid subject filter of up to ${MAX_LENGTH} characters.`,
  )
}

/**
 * Parses `all`, `new`, `last`, `last-per-subject`, `n<count>`, `s<sequence>` or `t<ms since 1970>`.
 * @throws SpanwireError `invalid-argument`
 */
export function readFrom(text: string | undefined, fallback: 'all' | 'new'): ReplayStart {
  if (text === undefined) return { at: fallback }
  const replay = parseReplay(`${REPLAY_STATUS_SUBJECT}.${text}.x`)
  if (replay?.filter === 'x') return replay.start
  throw new SpanwireError(
    'invalid-argument',
    'from must be all, new, last, last-per-subject, n<count>, s<sequence> or t<ms since 1970>.',
  )
}
