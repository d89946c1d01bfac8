import type { StreamConfig, StreamState } from '../jetstream/api.ts'
import { membersOf } from '../kit/kinds.ts'
import type { ConsumerStart } from './options.ts'
import type { Generation, SubjectTransform } from './partition-subjects.ts'

/** The source of the copies, in the format of JetStream. */
interface StreamSource {
  readonly name?: string
  readonly subject_transforms?: readonly SubjectTransform[]
}

/** Position in the stream of the events at which the copies begin, in the format of JetStream. */
export type SourceStart = { readonly opt_start_seq?: number } | { readonly opt_start_time?: string }

/** Contents of the configuration of a stream with partitions. */
export interface PartitionConfig {
  /** The generations, of which the last one receives events. Others may have events. */
  readonly generations: readonly Generation[]
  /** The stream of the events. */
  readonly origin: StreamState
  readonly start: SourceStart
  readonly transforms: readonly SubjectTransform[]
}

/** Names of the stream's metadata. */
const GENERATIONS = 'spanwire-generations'
const ORIGIN = 'spanwire-origin'
const START = 'spanwire-start'

/** Adds the partitions to the configuration of a stream. */
export function withPartitions(config: StreamConfig, partitions: PartitionConfig): StreamConfig {
  const { generations, origin, start, transforms } = partitions
  const { subjects: _, ...own } = config
  return {
    ...own,
    sources: [{ name: origin.name, ...start, subject_transforms: transforms }],
    metadata: {
      ...membersOf(config.metadata),
      // `<number>:<count>` of each generation, separated by commas.
      [GENERATIONS]: generations.map(({ number, count }) => `${number}:${count}`).join(),
      [ORIGIN]: origin.epoch,
      [START]: JSON.stringify(start),
    },
  }
}

/** Reads the generations. Empty for a stream without partitions. */
export function generationsOf(config: StreamConfig): Generation[] {
  const found = String(membersOf(config.metadata)[GENERATIONS] ?? '').matchAll(/(\d+):(\d+)/g)
  return [...found].map(([, number, count]) => ({ number: Number(number), count: Number(count) }))
}

/** Whether the copies are of events of another stream that had the same name. */
export function isOutdated(config: StreamConfig, origin: StreamState): boolean {
  return membersOf(config.metadata)[ORIGIN] !== origin.epoch
}

/** Returns the position at which the copies began. */
export function startOf(config: StreamConfig): SourceStart {
  return JSON.parse(String(membersOf(config.metadata)[START] ?? '{}'))
}

/** Returns the source of the copies. Undefined while a change is underway. */
export function sourceOf({ sources }: Partial<StreamConfig>): StreamSource | undefined {
  return Array.isArray(sources) ? sources[0] : undefined
}

/** Returns the position at which a new consumer begins. */
export function toSourceStart(from: ConsumerStart, { lastSeq }: StreamState): SourceStart {
  if (from === 'all') return {}
  if (from === 'new') return { opt_start_seq: lastSeq + 1 }
  if ('seq' in from) return { opt_start_seq: from.seq }
  return { opt_start_time: new Date(from.time).toISOString() }
}
