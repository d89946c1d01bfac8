import { parseHeaders } from '../../../sdk/wire/headers.ts'
import { apiErrors } from './api-error.ts'
import type { BatchHeaders } from './batches.ts'
import type { MessageIndex } from './message-index.ts'
import { parseTtl } from './message-ttl.ts'
import type { ScheduleHeaders } from './schedule.ts'
import type { StreamConfig } from './stream-config.ts'

/** Conditions of a publisher, in headers (ADR-15 and nats-server). */
export interface PublishRules {
  /** `Nats-Msg-Id` */
  readonly id?: string
  /** `Nats-Expected-Stream` */
  readonly stream?: string
  /** `Nats-Expected-Last-Sequence`. NaN if it is malformed, which equals no sequence. */
  readonly lastSeq?: number
  /** `Nats-Expected-Last-Subject-Sequence`, as `lastSeq`. */
  readonly lastSubjectSeq?: number
  /** `Nats-Expected-Last-Msg-Id` */
  readonly lastId?: string
  /** `Nats-Rollup` */
  readonly rollup?: string
  /** `Nats-TTL` in ms, from {@link parseTtl}. */
  readonly ttl?: number
  /** `Nats-Batch-…` */
  readonly batch?: BatchHeaders
  /** `Nats-Schedule` and its options. */
  readonly schedule?: ScheduleHeaders
  /** `Nats-Schedule-Next` of a client: `purge`, which removes the schedule on the subject `scheduler`. */
  readonly scheduleNext?: string
  /** `Nats-Scheduler` */
  readonly scheduler?: string
  /** `Nats-Marker-Reason`: it marks a removal. */
  readonly isMarker?: boolean
  /** Name of a header that the embedded broker does not support. */
  readonly unsupported?: string
}

/** State of a stream that conditions are checked against. */
export interface RuleContext {
  readonly name: string
  readonly lastSeq: number
  /** Last sequence of the subject; 0 if it has no message. */
  readonly lastSubjectSeq: number
  readonly lastId: string
  readonly allowsRollup: boolean
  readonly allowsTtl: boolean
}

const NATS = new TextEncoder().encode('Nats-')
const NONE: PublishRules = {}
const UNSUPPORTED = /^Nats-(Incr|Expected-Last-Subject-Sequence-Subject)$/

export function readRules(headers: Uint8Array | undefined): PublishRules {
  if (!headers || !mayHaveRules(headers)) return NONE
  const rules: { -readonly [name in keyof PublishRules]: PublishRules[name] } = {}
  const special = new Map<string, string>()
  for (const [name, value] of fieldsOf(headers)) {
    if (SPECIAL.test(name) && !special.has(name)) special.set(name, value)
    if (name === 'Nats-Msg-Id') rules.id ??= value
    else if (name === 'Nats-Expected-Stream') rules.stream ??= value
    else if (name === 'Nats-Expected-Last-Sequence') rules.lastSeq ??= sequence(value)
    else if (name === 'Nats-Expected-Last-Subject-Sequence') rules.lastSubjectSeq ??= sequence(value)
    else if (name === 'Nats-Expected-Last-Msg-Id') rules.lastId ??= value
    else if (name === 'Nats-Rollup') rules.rollup ??= value
    else if (name === 'Nats-TTL') rules.ttl ??= parseTtl(value)
    else if (name === 'Nats-Marker-Reason') rules.isMarker = true
    else if (UNSUPPORTED.test(name)) rules.unsupported ??= name
  }
  return special.size > 0 ? { ...rules, ...readSpecial(special) } : rules
}

/** Headers of batches and schedules. Most messages have none. */
const SPECIAL = /^Nats-(Batch-|Schedule)/

function readSpecial(headers: ReadonlyMap<string, string>): Partial<PublishRules> {
  const of = <Name extends string>(name: Name, header: string) => {
    const value = headers.get(header)
    return value === undefined ? {} : ({ [name]: value } as Record<Name, string>)
  }
  const [id, pattern] = [headers.get('Nats-Batch-Id'), headers.get('Nats-Schedule')]
  const seq = headers.get('Nats-Batch-Sequence') ?? ''
  return {
    ...(id && { batch: { id, seq: sequence(seq), ...of('commit', 'Nats-Batch-Commit') } }),
    ...(pattern && {
      schedule: {
        pattern,
        ...of('target', 'Nats-Schedule-Target'),
        ...of('source', 'Nats-Schedule-Source'),
        ...of('ttl', 'Nats-Schedule-TTL'),
        ...of('rollup', 'Nats-Schedule-Rollup'),
        ...of('zone', 'Nats-Schedule-Time-Zone'),
      },
    }),
    ...of('scheduleNext', 'Nats-Schedule-Next'),
    ...of('scheduler', 'Nats-Scheduler'),
  }
}

/** Checks conditions that hold for repeated messages as well. Throws ApiError. */
export function checkStream({ unsupported, stream }: PublishRules, name: string): void {
  if (unsupported !== undefined)
    throw apiErrors.storeFailed(`the embedded broker does not support the header ${unsupported}: use nats-server`)
  if (stream !== undefined && stream !== name) throw apiErrors.expectedStream()
}

/** Checks all other conditions. Throws ApiError. */
export function checkExpectations(rules: PublishRules, context: RuleContext): void {
  const { lastSeq, lastSubjectSeq, lastId, rollup, ttl = 0 } = rules
  if (lastSeq !== undefined && lastSeq !== context.lastSeq) throw apiErrors.wrongLastSequence(context.lastSeq)
  if (lastSubjectSeq !== undefined && lastSubjectSeq !== context.lastSubjectSeq)
    throw apiErrors.wrongLastSequence(context.lastSubjectSeq)
  if (lastId !== undefined && lastId !== context.lastId) throw apiErrors.wrongLastMessageId(context.lastId)
  if (Number.isNaN(ttl)) throw apiErrors.ttlInvalid()
  if (ttl !== 0 && !context.allowsTtl) throw apiErrors.ttlDisabled()
  if (rollup === undefined) return
  if (!context.allowsRollup) throw apiErrors.rollupNotPermitted()
  if (!/^(sub|all)$/i.test(rollup)) throw apiErrors.rollupInvalid()
}

/** A message whose limits are checked. */
export interface Sized {
  readonly subject: string
  /** As in `max_bytes`. */
  readonly size: number
  /** Headers and payload. */
  readonly bytes: number
}

/**
 * Checks the limits of a stream for one more message. Throws ApiError.
 * @param before messages of the same batch before it
 */
export function checkLimits(
  config: StreamConfig,
  index: MessageIndex,
  { subject, size, bytes }: Sized,
  before: readonly Sized[] = [],
): void {
  const { max_msg_size, max_msgs, max_bytes, max_msgs_per_subject, discard } = config
  if (max_msg_size > 0 && bytes > max_msg_size) throw apiErrors.messageTooLarge()
  if (max_bytes > 0 && size > max_bytes) throw apiErrors.storeFailed('maximum bytes exceeded')
  if (discard !== 'new') return
  const log = index.ofSubject(subject)
  const ahead = before.filter((one) => one.subject === subject).length
  const replaces = max_msgs_per_subject > 0 && (log?.size ?? 0) + ahead >= max_msgs_per_subject
  if (replaces && config.discard_new_per_subject) throw apiErrors.storeFailed('maximum messages per subject exceeded')
  const freed = replaces ? (log?.first?.size ?? 0) : 0
  if (max_msgs > 0 && index.size + before.length >= max_msgs && !replaces)
    throw apiErrors.storeFailed('maximum messages exceeded')
  const added = before.reduce((sum, one) => sum + one.size, size)
  if (max_bytes > 0 && index.bytes + added - freed > max_bytes) throw apiErrors.storeFailed('maximum bytes exceeded')
}

/** A block that is not a header block has no fields. */
function fieldsOf(headers: Uint8Array): ReturnType<typeof parseHeaders>['fields'] {
  try {
    return parseHeaders(headers).fields
  } catch {
    return []
  }
}

/** Most messages have no such header, and their headers are not parsed. */
function mayHaveRules(headers: Uint8Array): boolean {
  for (let i = headers.indexOf(78); i >= 0; i = headers.indexOf(78, i + 1)) {
    if (NATS.every((byte, offset) => headers[i + offset] === byte)) return true
  }
  return false
}

function sequence(value: string): number {
  return /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN
}
