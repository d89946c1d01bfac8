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
}

const NS = 1_000_000

/** Converts options to JetStream's format. Source: `StreamConfig` of nats-server. */
export function toConfig(options: StreamOptions): Record<string, unknown> {
  const { maxAge, duplicateWindow } = options
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
  return Object.keys(config).filter((field) => JSON.stringify(state.config[field]) !== JSON.stringify(config[field]))
}

/** Returns the fields that JetStream cannot change. */
export function impossibleChanges(changes: readonly string[]): string[] {
  return changes.filter((field) => field === 'storage' || field === 'retention')
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
