import { filtersOverlap, isSubjectFilter } from '../../../sdk/wire/subject.ts'
import { apiErrors } from './api-error.ts'
import { type Fields, flag, integer, isName, oneOf, refuseOthers, text, textMap, texts } from './fields.ts'
import { readSources, type SourceConfig } from './source-config.ts'

/** Configuration of a stream, with the names of JetStream's API (ADR-31, nats-server's StreamConfig). */
export interface StreamConfig {
  readonly name: string
  readonly description?: string
  readonly subjects: readonly string[]
  readonly retention: 'limits'
  readonly max_consumers: number
  readonly max_msgs: number
  readonly max_bytes: number
  /** In ns; 0 for no limit. */
  readonly max_age: number
  readonly max_msgs_per_subject: number
  readonly max_msg_size: number
  readonly discard: 'old' | 'new'
  /** `file`: in the host's store if it has one, else in memory. */
  readonly storage: 'file' | 'memory'
  readonly num_replicas: number
  /** In ns. */
  readonly duplicate_window: number
  readonly compression: 'none'
  readonly allow_direct: boolean
  readonly mirror_direct: boolean
  readonly discard_new_per_subject?: true
  readonly no_ack?: true
  readonly first_seq?: number
  readonly sealed: boolean
  readonly deny_delete: boolean
  readonly deny_purge: boolean
  readonly allow_rollup_hdrs: boolean
  /** Whether messages may have a TTL of their own (ADR-43). */
  readonly allow_msg_ttl?: true
  /** Other streams whose messages it copies. */
  readonly sources?: readonly SourceConfig[]
  /** How long a marker of an expired subject is stored (ADR-43), in ns. */
  readonly subject_delete_marker_ttl?: number
  /** Whether it stores atomic batches (ADR-50). */
  readonly allow_atomic?: true
  /** Whether it publishes messages later (ADR-51). */
  readonly allow_msg_schedules?: true
  readonly consumer_limits: object
  readonly metadata?: Readonly<Record<string, string>>
}

const KNOWN: ReadonlySet<string> = new Set([
  'name',
  'description',
  'subjects',
  'retention',
  'max_consumers',
  'max_msgs',
  'max_bytes',
  'max_age',
  'max_msgs_per_subject',
  'max_msg_size',
  'discard',
  'storage',
  'num_replicas',
  'duplicate_window',
  'allow_direct',
  // Accepted, because it only affects mirrors, which are refused.
  'mirror_direct',
  'discard_new_per_subject',
  'no_ack',
  'first_seq',
  'sealed',
  'deny_delete',
  'deny_purge',
  'allow_rollup_hdrs',
  'allow_msg_ttl',
  'sources',
  'subject_delete_marker_ttl',
  'allow_atomic',
  'allow_msg_schedules',
  'metadata',
])
const SYSTEM = ['$JS.>', '$SYS.>', '$EDGE.>']
const MS = 1_000_000
const DEFAULT_WINDOW = 120_000 * MS
const MAX_SUBJECTS = 1_000

/** Reads the configuration in a create or update request. Throws ApiError. */
export function readStreamConfig(fields: Fields, name: string): StreamConfig {
  const invalid = apiErrors.streamInvalidConfig
  if (!isName(name)) throw invalid(`stream name is required and can not contain '.', '*', '>', '\\', '/'`)
  if ((text(fields, 'name') ?? '') !== name) throw apiErrors.streamMismatch()
  if (fields.mirror) throw invalid('the embedded broker has no mirrors: use nats-server for that')
  refuseOthers(fields, KNOWN, invalid)
  const retention = oneOf(fields, 'retention', ['limits', 'interest', 'workqueue'])
  if (retention !== 'limits')
    throw invalid(`the embedded broker does not support ${retention} retention: use limits, or nats-server`)
  if (flag(fields, 'sealed')) throw invalid('stream configuration for create can not be sealed')
  if (integer(fields, 'num_replicas') > 1) throw apiErrors.replicas()
  const sources = readSources(fields)
  const subjects = readSubjects(fields, sources ? [] : [name])
  const age = integer(fields, 'max_age')
  if (age < 0 || (age > 0 && age < 100 * MS)) throw invalid('max age needs to be >= 100ms')
  const window = integer(fields, 'duplicate_window')
  if (window < 0) throw invalid('duplicates window can not be negative')
  if (age > 0 && window > age) throw invalid('duplicates window can not be larger then max age')
  const discard = oneOf(fields, 'discard', ['old', 'new'])
  const perSubject = limit(fields, 'max_msgs_per_subject')
  const description = text(fields, 'description')
  const metadata = textMap(fields, 'metadata')
  const markers = integer(fields, 'subject_delete_marker_ttl')
  if (markers < 0) throw invalid('subject delete marker TTL must not be negative')
  if (markers > 0 && markers < 1_000 * MS) throw invalid('subject delete marker TTL must be at least 1 second')
  const schedules = flag(fields, 'allow_msg_schedules')
  // As nats-server: both store messages with a roll-up.
  const rollsUp = markers > 0 || schedules
  if (rollsUp && flag(fields, 'allow_rollup_hdrs') && flag(fields, 'deny_purge'))
    throw invalid('roll-ups require the purge permission')
  const first = integer(fields, 'first_seq')
  if (first < 0) throw invalid('first sequence can not be negative')
  if (flag(fields, 'discard_new_per_subject')) {
    if (discard !== 'new') throw invalid('discard new per subject requires discard new policy to be set')
    if (perSubject < 0) throw invalid('discard new per subject requires max msgs per subject > 0')
  }
  return {
    name,
    ...(description !== undefined && { description }),
    subjects,
    retention,
    max_consumers: limit(fields, 'max_consumers'),
    max_msgs: limit(fields, 'max_msgs'),
    max_bytes: limit(fields, 'max_bytes'),
    max_age: age,
    max_msgs_per_subject: perSubject,
    max_msg_size: limit(fields, 'max_msg_size'),
    discard,
    storage: oneOf(fields, 'storage', ['file', 'memory']),
    num_replicas: 1,
    duplicate_window: window || (age > 0 ? Math.min(age, DEFAULT_WINDOW) : DEFAULT_WINDOW),
    compression: 'none',
    allow_direct: flag(fields, 'allow_direct'),
    mirror_direct: flag(fields, 'mirror_direct'),
    ...(flag(fields, 'discard_new_per_subject') && { discard_new_per_subject: true }),
    ...(flag(fields, 'no_ack') && { no_ack: true }),
    ...(first > 1 && { first_seq: first }),
    sealed: false,
    deny_delete: flag(fields, 'deny_delete'),
    deny_purge: flag(fields, 'deny_purge') && !rollsUp,
    allow_rollup_hdrs: flag(fields, 'allow_rollup_hdrs') || rollsUp,
    ...((flag(fields, 'allow_msg_ttl') || markers > 0) && { allow_msg_ttl: true }),
    ...(markers > 0 && { subject_delete_marker_ttl: markers }),
    ...(flag(fields, 'allow_atomic') && { allow_atomic: true }),
    ...(schedules && { allow_msg_schedules: true }),
    ...(sources && { sources }),
    consumer_limits: {},
    ...(metadata && { metadata }),
  }
}

/** Checks that an update changes no fixed field. Throws ApiError. */
export function checkUpdate(from: StreamConfig, to: StreamConfig): void {
  const refused = (why: string) => apiErrors.streamInvalidConfig(`stream configuration update can not ${why}`)
  if (from.storage !== to.storage) throw refused('change storage type')
  if (from.max_consumers !== to.max_consumers) throw refused('change MaxConsumers')
  if (from.deny_delete && !to.deny_delete) throw refused('cancel deny message deletes')
  if (from.allow_msg_ttl && !to.allow_msg_ttl) throw refused('disable per-message TTLs')
  if (from.allow_msg_schedules && !to.allow_msg_schedules) throw refused('disable message schedules')
  if (from.deny_purge && !to.deny_purge) throw refused('cancel deny purge')
}

export function sameConfig(a: object, b: object): boolean {
  return canonical(a) === canonical(b)
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) =>
    item && typeof item === 'object' && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  )
}

/** @param otherwise the subjects of a stream without the field */
function readSubjects(fields: Fields, otherwise: readonly string[]): readonly string[] {
  const invalid = apiErrors.streamInvalidConfig
  const given = texts(fields, 'subjects')
  const subjects = given.length > 0 ? given : otherwise
  if (subjects.length > MAX_SUBJECTS)
    throw invalid(`a stream of the embedded broker has at most ${MAX_SUBJECTS} subjects`)
  for (const [index, subject] of subjects.entries()) {
    if (!isSubjectFilter(subject)) throw invalid('invalid subject')
    if (subject === '>' && fields.no_ack !== true) throw invalid('capturing all subjects requires no-ack to be true')
    if (SYSTEM.some((filter) => subject !== '>' && filtersOverlap(filter, subject)))
      throw invalid('subjects that overlap with jetstream api, system or edge subjects can not be captured')
    const other = subjects.slice(index + 1).find((later) => filtersOverlap(later, subject))
    if (other !== undefined) throw invalid(`subject "${subject}" overlaps with "${other}"`)
  }
  return subjects
}

/** Missing, zero and negative values mean no limit: -1, as in nats-server. */
function limit(fields: Fields, name: string): number {
  const value = integer(fields, name)
  return value > 0 ? value : -1
}
