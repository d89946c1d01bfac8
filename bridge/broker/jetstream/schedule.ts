import { type HeaderFields, readFields } from '../../../sdk/wire/header-fields.ts'
import { isSubject, matchesFilter } from '../../../sdk/wire/subject.ts'
import { apiErrors } from './api-error.ts'
import { isTimeZone, nextCron } from './cron.ts'
import { encodeCopied } from './join-headers.ts'
import { parseDuration, parseTtl } from './message-ttl.ts'
import type { StreamConfig } from './stream-config.ts'

/** Headers of a message that is a schedule (ADR-51). */
export interface ScheduleHeaders {
  /** `Nats-Schedule` */
  readonly pattern: string
  /** `Nats-Schedule-Target` */
  readonly target?: string
  /** `Nats-Schedule-Source` */
  readonly source?: string
  /** `Nats-Schedule-TTL` */
  readonly ttl?: string
  /** `Nats-Schedule-Rollup` */
  readonly rollup?: string
  /** `Nats-Schedule-Time-Zone` */
  readonly zone?: string
}

const AT = '@at '
const EVERY = '@every '
const SECOND = 1_000
const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/

/**
 * Returns when a schedule is due, and whether it repeats. Undefined if its pattern is not valid.
 * @param from the current time for a new schedule, the last time of a repeated one
 */
export function dueTime(
  { pattern, zone }: ScheduleHeaders,
  from: number,
): { readonly at: number; readonly repeats: boolean } | undefined {
  if (pattern.startsWith(AT)) {
    const text = pattern.slice(AT.length)
    return zone === undefined && RFC_3339.test(text) ? { at: Date.parse(text), repeats: false } : undefined
  }
  if (pattern.startsWith(EVERY)) {
    const interval = parseDuration(pattern.slice(EVERY.length))
    if (zone !== undefined || !(interval >= SECOND)) return undefined
    return { at: Math.round(from / SECOND) * SECOND + interval, repeats: true }
  }
  const at = nextCron(pattern, zone ?? 'UTC', from)
  return at === undefined ? undefined : { at, repeats: true }
}

/** Checks the headers of a schedule. Throws ApiError. */
export function checkSchedule(
  schedule: ScheduleHeaders,
  subject: string,
  { rollup, config, now }: { readonly rollup: string | undefined; readonly config: StreamConfig; readonly now: number },
): void {
  const { target, source, ttl, zone } = schedule
  const isStored = (one: string) => isSubject(one) && config.subjects.some((filter) => matchesFilter(filter, one))
  if (!config.allow_msg_schedules) throw apiErrors.schedulesDisabled()
  if (zone !== undefined && !isTimeZone(zone)) throw apiErrors.scheduleZoneInvalid()
  if (!dueTime(schedule, now)) throw apiErrors.schedulePatternInvalid()
  if (ttl !== undefined && Number.isNaN(parseTtl(ttl))) throw apiErrors.scheduleTtlInvalid()
  if (schedule.rollup !== undefined && schedule.rollup !== 'sub') throw apiErrors.scheduleRollupInvalid()
  if (ttl !== undefined && !config.allow_msg_ttl) throw apiErrors.ttlDisabled()
  if (target === undefined || target === subject || !isStored(target)) throw apiErrors.scheduleTargetInvalid()
  if (source !== undefined && (source === target || source === subject || !isStored(source)))
    throw apiErrors.scheduleSourceInvalid()
  if (rollup !== undefined && rollup !== 'sub') throw apiErrors.scheduleRollupInvalid()
}

/** Headers that are not copied to the message of a schedule. */
const OWN = /^Nats-(Schedule.*|Expected-.*|Msg-Id|TTL|Rollup)$/

/**
 * Returns the headers of the message that a schedule produces.
 * @param scheduler the subject of the schedule
 * @param next when it is due again; undefined if it is not
 */
export function producedHeaders(
  block: Uint8Array | undefined,
  { ttl, rollup }: ScheduleHeaders,
  scheduler: string,
  next: number | undefined,
): Uint8Array {
  const copied = readFields(block).filter(([name]) => !OWN.test(name))
  const fields: HeaderFields = [
    ...copied,
    ['Nats-Scheduler', scheduler],
    ['Nats-Schedule-Next', next === undefined ? 'purge' : new Date(next).toISOString()],
    ...(ttl === undefined ? [] : [['Nats-TTL', ttl] as const]),
    ...(rollup === undefined ? [] : [['Nats-Rollup', rollup] as const]),
  ]
  return encodeCopied(fields)
}
