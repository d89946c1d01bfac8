import type { StreamConfig, StreamState } from '../jetstream/api.ts'
import { isSubsetFilter } from '../wire/subject.ts'

/** Settings of a stream. Default: the server's defaults for a new stream, the current settings for an existing one. */
export interface StreamOptions {
  /** `limits` (the default) stores events up to a limit, `interest` and `workqueue` until they are acknowledged. */
  readonly retention?: 'limits' | 'interest' | 'workqueue'
  /** Storage. Default `file`. */
  readonly storage?: 'file' | 'memory'
  /** Longest age of an event, in ms. Default 0: no limit. */
  readonly maxAge?: number
  /** Largest size of the stream, in bytes. Default -1: no limit. */
  readonly maxBytes?: number
  /** Largest number of events. Default -1: no limit. */
  readonly maxMessages?: number
  /** Largest number of events of a subject. Default -1: no limit. 1 stores the last value of each subject. */
  readonly maxMessagesPerSubject?: number
  /** Largest size of an event, in bytes. Default -1: no limit. */
  readonly maxMessageSize?: number
  /** Number of replicas in a cluster: 1 (the default), 3 or 5. */
  readonly replicas?: number
  /** Time in which events with equal ids are stored once, in ms. Default 120,000. */
  readonly duplicateWindow?: number
  /** At a limit, `old` (the default) removes the oldest events, `new` refuses the new event. */
  readonly discard?: 'old' | 'new'
  /** Description. */
  readonly description?: string
  /**
   * Whether an event can have a time to live of its own (`ttl`). Default: true if an event of the stream has a `ttl` in the
   * contract. Cannot be disabled later. Requires nats-server 2.11.
   */
  readonly ttl?: boolean
  /**
   * How long the stream keeps a marker when the last event of a subject expires, in ms, at least 1,000. The marker reaches
   * `latest`, stores and `onRemoved`. A reader that was offline for longer does not get it. Unless
   * `maxMessagesPerSubject` is 1, an event with a shorter `ttl` lives this long. Default with `ttl`: the shortest `ttl` of
   * the contract up to 60,000, or 1,000. With `maxMessagesPerSubject: 1`: 60,000. Requires nats-server 2.11.
   */
  readonly removalMarkers?: number
  /**
   * Whether the stream can publish events later (`at`, `every`). It then also stores `$SCHEDULE.<stream>.>`. Cannot be
   * disabled later. Default false. Requires nats-server 2.12, and 2.14 for `every`.
   */
  readonly schedules?: boolean
  /** Whether the stream takes batches (`publishAll`). Default false. Requires nats-server 2.12. */
  readonly atomic?: boolean
  /**
   * Whether a publisher can remove the earlier events of a subject (`forget` with `purge`). Default false, but true with
   * `ttl` and `schedules`, which nats-server requires.
   */
  readonly rollup?: boolean
}

const NS = 1_000_000
/** Longest default of `removalMarkers`, in ms. */
const MARKERS = 60_000
const SECOND = 1_000

/** Fields that an older nats-server ignores, and the first version with them. */
const NEWER: Readonly<Record<string, string>> = {
  allow_msg_ttl: '2.11',
  subject_delete_marker_ttl: '2.11',
  allow_atomic: '2.12',
  allow_msg_schedules: '2.12',
}

/**
 * Adds the options that follow from the times to live of the contract.
 * @param ttls of the events of the stream, in ms
 */
export function withTtls(options: StreamOptions, ttls: readonly number[]): StreamOptions {
  const { ttl = ttls.length > 0, removalMarkers, maxMessagesPerSubject } = options
  if (!ttl) return options
  const shortest = Math.min(MARKERS, ...(ttls.length > 0 ? ttls : [SECOND]))
  const markers = maxMessagesPerSubject === 1 ? MARKERS : Math.max(SECOND, Math.floor(shortest / SECOND) * SECOND)
  return { ...options, ttl, removalMarkers: removalMarkers ?? markers }
}

/** Returns the fields that the server has ignored, each with the version that it requires. */
export function ignoredFields(
  wanted: Readonly<Record<string, unknown>>,
  config: Readonly<Record<string, unknown>>,
): string[] {
  return Object.entries(NEWER).flatMap(([field, version]) =>
    wanted[field] && !config[field] ? `${field} requires nats-server ${version}` : [],
  )
}

/** Converts options to JetStream's format. Source: `StreamConfig` of nats-server. */
export function toConfig(options: StreamOptions): Record<string, unknown> {
  const { maxAge, duplicateWindow, removalMarkers } = options
  // nats-server sets these itself. Stated, they are not a change of the next plan.
  const rollup = options.rollup ?? (options.ttl || options.schedules || undefined)
  const ttl = options.ttl ?? (options.schedules || undefined)
  const config = {
    retention: options.retention,
    storage: options.storage,
    max_age: maxAge === undefined ? undefined : maxAge * NS,
    max_bytes: options.maxBytes,
    max_msgs: options.maxMessages,
    max_msgs_per_subject: options.maxMessagesPerSubject,
    max_msg_size: options.maxMessageSize,
    num_replicas: options.replicas,
    duplicate_window: duplicateWindow === undefined ? undefined : duplicateWindow * NS,
    discard: options.discard,
    description: options.description,
    allow_rollup_hdrs: rollup,
    allow_msg_ttl: ttl,
    subject_delete_marker_ttl: removalMarkers === undefined ? undefined : removalMarkers * NS,
    allow_msg_schedules: options.schedules,
    allow_atomic: options.atomic,
  }
  return Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined))
}

/** Removes subjects that another one contains: a server refuses subjects of a stream that overlap. */
export function reduceSubjects(subjects: readonly string[]): string[] {
  const all = [...new Set(subjects)]
  return all.filter((one) => !all.some((other) => other !== one && isSubsetFilter(one, other)))
}

/** Returns the fields that would change. */
export function changesOf(state: StreamState, config: Readonly<Record<string, unknown>>): string[] {
  return Object.keys(config).filter((field) => textOf(state.config[field]) !== textOf(config[field]))
}

/** A server leaves out fields that are off. */
function textOf(field: unknown): string {
  return JSON.stringify(field || undefined)
}

/** Fields that JetStream does not disable again. */
const ONE_WAY = ['allow_msg_ttl', 'allow_msg_schedules']

/** Returns the fields that JetStream cannot change. */
export function impossibleChanges(changes: readonly string[], { config }: StreamState): string[] {
  const isFixed = (field: string) => field === 'storage' || field === 'retention'
  return changes.filter((field) => isFixed(field) || (ONE_WAY.includes(field) && config[field] === true))
}

/** Describes changes that would remove events, or no longer store subjects. */
export function destructiveChanges(state: StreamState, config: StreamConfig): string[] {
  const losses: string[] = []
  for (const field of ['max_age', 'max_bytes', 'max_msgs', 'max_msgs_per_subject'] as const) {
    const [before, after] = [limitOf(state.config[field]), limitOf(config[field])]
    const isEnough = field === 'max_msgs' && after >= state.messages
    if (after < before && !isEnough) losses.push(`${field} goes down from ${state.config[field]} to ${config[field]}`)
  }
  const kept = config.subjects ?? []
  const gone = state.subjects.filter((subject) => !kept.some((other) => isSubsetFilter(subject, other)))
  if (gone.length > 0) losses.push(`${gone.join(', ')} would no longer be stored`)
  return losses
}

/** 0 and -1 mean no limit. */
function limitOf(value: unknown): number {
  return typeof value === 'number' && value > 0 ? value : Number.POSITIVE_INFINITY
}
