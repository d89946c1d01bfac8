import { filtersOverlap, hasWildcard, isSubject, isSubjectFilter } from '../../../sdk/wire/subject.ts'
import { apiErrors } from './api-error.ts'
import { readPriority } from './client-pin.ts'
import { type Fields, flag, integer, isName, oneOf, refuseOthers, text, textMap, texts } from './fields.ts'

/** Configuration of a consumer, with the names of JetStream's API (nats-server's ConsumerConfig). */
export interface ConsumerConfig {
  readonly name?: string
  readonly durable_name?: string
  readonly description?: string
  readonly deliver_policy: 'all' | 'last' | 'new' | 'by_start_sequence' | 'by_start_time' | 'last_per_subject'
  readonly opt_start_seq?: number
  readonly opt_start_time?: string
  readonly ack_policy: 'none' | 'all' | 'explicit'
  /** In ns. */
  readonly ack_wait?: number
  readonly max_deliver: number
  readonly filter_subject?: string
  readonly filter_subjects?: readonly string[]
  readonly replay_policy: 'instant'
  readonly max_waiting?: number
  readonly max_batch?: number
  readonly max_expires?: number
  readonly max_bytes?: number
  readonly max_ack_pending?: number
  readonly flow_control?: true
  readonly deliver_subject?: string
  readonly deliver_group?: string
  /** In ns. */
  readonly idle_heartbeat?: number
  readonly headers_only?: true
  /** In ns. */
  readonly inactive_threshold?: number
  readonly num_replicas: number
  readonly mem_storage?: true
  readonly metadata?: Readonly<Record<string, string>>
  readonly priority_policy?: 'pinned_client'
  readonly priority_groups?: readonly string[]
  /** In ns. */
  readonly priority_timeout?: number
}

const KNOWN: ReadonlySet<string> = new Set([
  'name',
  'durable_name',
  'description',
  'deliver_policy',
  'opt_start_seq',
  'opt_start_time',
  'ack_policy',
  'ack_wait',
  'max_deliver',
  'filter_subject',
  'filter_subjects',
  'replay_policy',
  'max_waiting',
  'max_batch',
  'max_expires',
  'max_bytes',
  'max_ack_pending',
  'flow_control',
  'deliver_subject',
  'deliver_group',
  'idle_heartbeat',
  'headers_only',
  'inactive_threshold',
  'num_replicas',
  'mem_storage',
  'metadata',
  'priority_policy',
  'priority_groups',
  'priority_timeout',
])
const SECOND = 1_000_000_000
const MIN_HEARTBEAT = SECOND / 10
const DEFAULT_INACTIVE = 5 * SECOND
const DEFAULT_ACK_WAIT = 30 * SECOND
const MAX_FILTERS = 1_000

/** Reads the configuration in a create request. Throws ApiError. */
export function readConsumerConfig(fields: Fields, streamSubjects: readonly string[]): ConsumerConfig {
  const refused = apiErrors.consumerCreate
  refuseOthers(fields, KNOWN, refused)
  if (integer(fields, 'num_replicas') > 1) throw apiErrors.replicas()
  if (fields.replay_policy === 'original')
    throw refused('the embedded broker replays instantly: replay policy original is not supported')
  const name = text(fields, 'name')
  const durable = text(fields, 'durable_name')
  const either = name ?? durable
  for (const given of [name, durable]) {
    if (given !== undefined && !isName(given)) throw refused("consumer name can not contain '.', '*', '>', '\\', '/'")
  }
  const deliver = readDelivery(fields, streamSubjects)
  const ack = oneOf(fields, 'ack_policy', ['none', 'all', 'explicit'])
  const ackWait = integer(fields, 'ack_wait')
  const ackPending = integer(fields, 'max_ack_pending')
  const maxDeliver = integer(fields, 'max_deliver')
  const inactive = integer(fields, 'inactive_threshold')
  const description = text(fields, 'description')
  const metadata = textMap(fields, 'metadata')
  if (ackWait < 0 || inactive < 0) throw refused('consumer durations can not be negative')
  return {
    ...(durable !== undefined && { durable_name: durable }),
    ...(either !== undefined && { name: either }),
    ...(description !== undefined && { description }),
    ...readStart(fields),
    ack_policy: ack,
    ...(ack === 'none' ? ackWait > 0 && { ack_wait: ackWait } : { ack_wait: ackWait || DEFAULT_ACK_WAIT }),
    max_deliver: maxDeliver > 0 ? maxDeliver : -1,
    ...readFilters(fields),
    replay_policy: 'instant',
    ...deliver,
    ...(ack === 'none' ? ackPending > 0 && { max_ack_pending: ackPending } : { max_ack_pending: ackPending || 1_000 }),
    ...(flag(fields, 'headers_only') && { headers_only: true }),
    // An ephemeral consumer is removed after a time of inactivity.
    ...((inactive > 0 || durable === undefined) && { inactive_threshold: inactive || DEFAULT_INACTIVE }),
    num_replicas: integer(fields, 'num_replicas'),
    ...(flag(fields, 'mem_storage') && { mem_storage: true }),
    ...(metadata && { metadata }),
    ...readPriority(fields),
  }
}

/** Filters of a consumer. Empty for all messages of the stream. */
export function filtersOf({ filter_subject, filter_subjects }: ConsumerConfig): readonly string[] {
  return filter_subjects ?? (filter_subject === undefined ? [] : [filter_subject])
}

type Delivery = Pick<
  ConsumerConfig,
  | 'deliver_subject'
  | 'deliver_group'
  | 'flow_control'
  | 'idle_heartbeat'
  | 'max_waiting'
  | 'max_batch'
  | 'max_expires'
  | 'max_bytes'
>

function readDelivery(fields: Fields, streamSubjects: readonly string[]): Delivery {
  const refused = apiErrors.consumerCreate
  const subject = text(fields, 'deliver_subject')
  const group = text(fields, 'deliver_group')
  const heartbeat = integer(fields, 'idle_heartbeat')
  const flowControl = flag(fields, 'flow_control')
  const waiting = integer(fields, 'max_waiting')
  const [batch, expires, bytes] = [
    integer(fields, 'max_batch'),
    integer(fields, 'max_expires'),
    integer(fields, 'max_bytes'),
  ]
  if (subject === undefined) {
    if (heartbeat !== 0) throw apiErrors.heartbeatNeedsPush()
    if (flowControl) throw apiErrors.flowControlNeedsPush()
    if (group !== undefined) throw refused('a deliver group requires a push based consumer')
    return {
      max_waiting: waiting > 0 ? waiting : 512,
      ...(batch > 0 && { max_batch: batch }),
      ...(expires > 0 && { max_expires: expires }),
      ...(bytes > 0 && { max_bytes: bytes }),
    }
  }
  if (hasWildcard(subject)) throw apiErrors.deliverWildcard()
  if (!isSubject(subject)) throw refused('the deliver subject is not a subject')
  if (streamSubjects.some((captured) => filtersOverlap(captured, subject))) throw apiErrors.deliverCycle()
  if (waiting !== 0) throw apiErrors.pushMaxWaiting()
  if (batch > 0 || expires > 0 || bytes > 0) throw refused('consumer in push mode can not set limits of pull requests')
  if (heartbeat !== 0 && heartbeat < MIN_HEARTBEAT) throw apiErrors.heartbeatTooSmall()
  if (flowControl && heartbeat === 0) throw apiErrors.flowControlNeedsHeartbeat()
  return {
    deliver_subject: subject,
    ...(group !== undefined && { deliver_group: group }),
    ...(flowControl && { flow_control: true }),
    ...(heartbeat > 0 && { idle_heartbeat: heartbeat }),
  }
}

const POLICIES = ['all', 'last', 'new', 'by_start_sequence', 'by_start_time', 'last_per_subject'] as const

function readStart(fields: Fields): Pick<ConsumerConfig, 'deliver_policy' | 'opt_start_seq' | 'opt_start_time'> {
  const policy = oneOf(fields, 'deliver_policy', POLICIES)
  const seq = integer(fields, 'opt_start_seq')
  const time = text(fields, 'opt_start_time')
  const words = policy.replace('by_', '').replaceAll('_', ' ')
  if (policy === 'by_start_sequence' && seq < 1)
    throw apiErrors.deliverPolicy('deliver by start sequence, but optional start sequence is not set')
  if (policy !== 'by_start_sequence' && seq > 0)
    throw apiErrors.deliverPolicy(`deliver ${words}, but optional start sequence is also set`)
  if (policy === 'by_start_time') {
    if (time === undefined) throw apiErrors.deliverPolicy('deliver by start time, but optional start time is not set')
    if (Number.isNaN(Date.parse(time))) throw apiErrors.invalidJson('opt_start_time is not a time')
  } else if (time !== undefined) {
    throw apiErrors.deliverPolicy(`deliver ${words}, but optional start time is also set`)
  }
  if (policy === 'last_per_subject' && !fields.filter_subject && texts(fields, 'filter_subjects').length === 0)
    throw apiErrors.deliverPolicy('deliver last per subject, but optional filter subject is not set')
  return {
    deliver_policy: policy,
    ...(seq > 0 && { opt_start_seq: seq }),
    ...(time !== undefined && { opt_start_time: time }),
  }
}

function readFilters(fields: Fields): Pick<ConsumerConfig, 'filter_subject' | 'filter_subjects'> {
  const one = text(fields, 'filter_subject')
  const several = texts(fields, 'filter_subjects')
  if (one !== undefined && several.length > 0) throw apiErrors.bothFilters()
  const filters = one === undefined ? several : [one]
  if (filters.length > MAX_FILTERS) throw apiErrors.consumerCreate(`at most ${MAX_FILTERS} filters`)
  for (const [index, filter] of filters.entries()) {
    if (!isSubjectFilter(filter)) throw apiErrors.consumerCreate('consumer filter subject is not a valid subject')
    if (filters.slice(index + 1).some((other) => filtersOverlap(filter, other))) throw apiErrors.filtersOverlap()
  }
  if (one !== undefined) return { filter_subject: one }
  return several.length > 0 ? { filter_subjects: several } : {}
}
