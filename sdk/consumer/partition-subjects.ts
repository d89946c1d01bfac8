import type { ContractEvent } from '../contract/contract.ts'
import type { StoredMessage } from '../jetstream/jetstream-link.ts'
import { SpanwireError } from '../wire/errors.ts'
import { type ConsumerStart, MOST_HELD } from './options.ts'
import { takeHeader } from './take-header.ts'

/** A change of subjects that a stream makes when it copies messages. Source: ADR-30 (`SubjectTransformConfig`) */
export interface SubjectTransform {
  readonly src: string
  readonly dest: string
}

/** A number of partitions. A change of the number begins a new generation. */
export interface Generation {
  /** Number of the generation, from 1. */
  readonly number: number
  /** Number of partitions. */
  readonly count: number
}

/** The events that are divided into partitions. */
export interface PartitionedEvents {
  /** Name of their stream. */
  readonly stream: string
  /** Name of the consumer. */
  readonly consumer: string
  /** Number of partitions. */
  readonly count: number
  /** Position at which a new consumer begins. */
  readonly from: ConsumerStart
  /** In ms. */
  readonly ackWait: number
  /** Returns the changes of their subjects. */
  transforms(generation: Generation): readonly SubjectTransform[]
}

/** Number of events that a process with all partitions holds. Each of them takes messages that report progress. */
const MOST_HELD_TOGETHER = 512
/** Least number of events of a partition that a process holds. */
const LEAST_HELD = 16
const SOURCE = /\r\nNats-Stream-Source: ?[^ \r\n]+ (\d+)[^\r\n]*/i

/**
 * Returns the transform that adds the generation and the partition of each event in front of its subject.
 * @param filter filter of the event
 * @param laneBy params that determine the partition. A param with a fixed value in the filter makes no difference
 * @throws SpanwireError `invalid-argument` for a param of several tokens
 */
export function toTransform(
  { name, template }: ContractEvent,
  filter: string,
  laneBy: readonly string[],
  { number, count }: Generation,
): SubjectTransform {
  const tokens = filter.split('.')
  const whole = template.filter({}).split('.')
  const wildcards = laneBy.flatMap((param) => {
    // Position of the param: the token that its value changes.
    const at = template
      .filter({ [param]: 'x' })
      .split('.')
      .findIndex((token, index) => token !== whole[index])
    if (whole[at] === '>')
      throw new SpanwireError('invalid-argument', `${name} has no partitions by ${param}: it has more than one token.`)
    return tokens[at] === '*' ? [tokens.slice(0, at + 1).filter((token) => token === '*').length] : []
  })
  const partition = wildcards.length > 0 ? `{{partition(${[count, ...wildcards].join(',')})}}` : '0'
  let wildcard = 0
  const rest = tokens.map((token) => (token === '*' ? `{{wildcard(${++wildcard})}}` : token))
  return { src: filter, dest: [number, partition, ...rest].join('.') }
}

/** Returns the event that a message of a partition is a copy of: its subject, sequence and headers. */
export function restoreEvent(given: StoredMessage): StoredMessage {
  const { message, value } = takeHeader(given, SOURCE)
  const subject = message.subject.replace(/^[^.]*\.[^.]*\./, '')
  return { ...message, subject, seq: Number(value ?? message.seq) }
}

/** The numbers of all partitions of a generation. */
export function partitionsOf({ count }: Generation): number[] {
  return Array.from({ length: count }, (_, partition) => partition)
}

/** Returns the number of events of a partition that a process holds. */
export function heldOf({ count }: Generation): number {
  return Math.max(Math.min(Math.floor(MOST_HELD_TOGETHER / count), MOST_HELD), LEAST_HELD)
}
