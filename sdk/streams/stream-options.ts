import type { StreamConfig, StreamState } from '../jetstream/api.ts'
import { isSubsetFilter } from '../wire/subject.ts'

/** How a stream keeps events. What is left out is the server's default for a new stream, and stays as it is for others. */
export interface StreamOptions {
  /** `limits` (the default): until a limit is reached. `interest`, `workqueue`: until consumers have acknowledged. */
  readonly retention?: 'limits' | 'interest' | 'workqueue'
  /** Default `file`. */
  readonly storage?: 'file' | 'memory'
  /** In ms; 0 for ever, the default. */
  readonly maxAge?: number
  /** -1 for no limit, the default. */
  readonly maxBytes?: number
  /** -1 for no limit, the default. */
  readonly maxMessages?: number
  /** -1 for no limit, the default. 1 keeps the last value of each subject. */
  readonly maxMessagesPerSubject?: number
  /** In bytes; -1 for no limit, the default. */
  readonly maxMessageSize?: number
  /** Copies in a cluster: 1 (the default), 3 or 5. */
  readonly replicas?: number
  /** How long an event's id is remembered, so that it isn't stored twice, in ms. Default 120,000. */
  readonly duplicateWindow?: number
  /** What happens at a limit: the oldest goes (`old`, the default), or the new one is refused. */
  readonly discard?: 'old' | 'new'
  readonly description?: string
}

const NS = 1_000_000

/** The options as JetStream writes them. Source: `StreamConfig` of nats-server. */
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

/** Without those that another one holds already: a server refuses subjects that overlap within a stream. */
export function reduceSubjects(subjects: readonly string[]): string[] {
  const all = [...new Set(subjects)]
  return all.filter((one) => !all.some((other) => other !== one && isSubsetFilter(one, other)))
}

/** What would differ, by JetStream's names. */
export function changesOf(state: StreamState, config: Readonly<Record<string, unknown>>): string[] {
  return Object.keys(config).filter((field) => JSON.stringify(state.config[field]) !== JSON.stringify(config[field]))
}

/** What can never be changed of a stream. */
export function impossibleChanges(changes: readonly string[]): string[] {
  return changes.filter((field) => field === 'storage' || field === 'retention')
}

/** Changes by which a stream may lose what it has, or no longer keep what it kept, in words. */
export function destructiveChanges(state: StreamState, config: StreamConfig): string[] {
  const losses: string[] = []
  for (const field of ['max_age', 'max_bytes', 'max_msgs', 'max_msgs_per_subject'] as const) {
    const [before, after] = [limitOf(state.config[field]), limitOf(config[field])]
    const isEnough = field === 'max_msgs' && after >= state.messages
    if (after < before && !isEnough) losses.push(`${field} goes down from ${state.config[field]} to ${config[field]}`)
  }
  const kept = config.subjects ?? []
  const gone = state.subjects.filter((subject) => !kept.some((other) => isSubsetFilter(subject, other)))
  if (gone.length > 0) losses.push(`${gone.join(', ')} would no longer be kept`)
  return losses
}

/** 0 and -1 mean no limit. */
function limitOf(value: unknown): number {
  return typeof value === 'number' && value > 0 ? value : Number.POSITIVE_INFINITY
}
