import type { JetStreamApi, StreamConfig, StreamState } from '../jetstream/api.ts'
import { pause } from '../kit/pause.ts'
import { isSpanwireError, SpanwireError } from '../wire/errors.ts'
import type { Queue } from './durable-consumer.ts'
import { ensureConsumer } from './ensure-consumer.ts'
import { type ConsumerStart, MOST_HELD } from './options.ts'
import { type Generation, restoreEvent, type SubjectTransform } from './partition-subjects.ts'

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

/** The source of the copies, in the format of JetStream. */
interface StreamSource {
  readonly name?: string
  readonly subject_transforms?: readonly SubjectTransform[]
}

/** Position in the stream of the events at which the copies begin, in the format of JetStream. */
type SourceStart = { readonly opt_start_seq?: number } | { readonly opt_start_time?: string }

/** Number of events that a process with all partitions holds. Each of them takes messages that report progress. */
const MOST_HELD_TOGETHER = 512
/** Least number of events of a partition that a process holds. */
const LEAST_HELD = 16
/** Shortest duplicate window of JetStream, in ns. The ids of copies must not make a difference. */
const NO_WINDOW = 100_000_000
/** Interval of checks that no more copies arrive, in ms. */
const STILL = 200

/** Names of the stream's metadata. */
const GENERATIONS = 'spanwire-generations'
const ORIGIN = 'spanwire-origin'
const START = 'spanwire-start'

/**
 * The stream with the copies of a partitioned consumer: `<stream>-<consumer>`. Its subjects begin with the generation and
 * the partition, and each partition has a durable consumer. The copies are removed when all partitions before them are
 * done. The last copy stays, because it contains the position in the stream of the events.
 * Source: ADR-42 (pinned consumers), https://docs.nats.io/nats-concepts/subject_mapping (`partition`)
 */
export class PartitionStream {
  readonly #api: JetStreamApi
  readonly #events: PartitionedEvents
  readonly name: string

  constructor(api: JetStreamApi, events: PartitionedEvents) {
    this.#api = api
    this.#events = events
    this.name = `${events.stream}-${events.consumer}`
  }

  /** The consumer of a partition. */
  queue({ number, count }: Generation, partition: number): Queue {
    return {
      stream: this.name,
      consumer: `${number}-${partition}`,
      filter: `${number}.${partition}.>`,
      from: 'all',
      held: Math.max(Math.min(Math.floor(MOST_HELD_TOGETHER / count), MOST_HELD), LEAST_HELD),
      restore: restoreEvent,
    }
  }

  /**
   * Creates the stream and its consumers, or compares them with the options.
   * @throws SpanwireError (as rejection) `stream-conflict`, `stream-not-found`, `unsupported`
   */
  async ensure(): Promise<void> {
    const origin = await this.#origin()
    const existing = await this.#api.streamState(this.name)
    const isNew = !existing
    const state = existing ?? (await this.#create(origin))
    try {
      const generations = await this.#check(state, origin)
      await Promise.all(generations.map((generation) => this.#ensureConsumers(generation)))
    } catch (error) {
      if (isNew && isSpanwireError(error, 'unsupported')) await this.#api.deleteStream(this.name)
      throw error
    }
  }

  /**
   * Returns the generations that have events. The events of the first one precede all others.
   * @throws SpanwireError (as rejection) `stream-not-found` if the stream of the events was deleted, or created again
   */
  async generations(): Promise<readonly Generation[]> {
    const [origin, state] = await Promise.all([this.#origin(), this.#api.streamState(this.name)])
    if (!state) throw new SpanwireError('stream-not-found', `The stream ${this.name} was deleted.`)
    if (metadataOf(state.config)[ORIGIN] !== origin.epoch)
      throw new SpanwireError('stream-not-found', `The stream ${origin.name} was deleted and created again.`)
    return this.#readGenerations(state.config)
  }

  /** @throws SpanwireError `stream-conflict` if the number of partitions is not the one of the options */
  checkCount({ count }: Generation): void {
    if (count === this.#events.count) return
    throw this.#conflict(
      `it has ${count} partitions, not ${this.#events.count}: use partitions: ${count}, or changePartitions`,
    )
  }

  /** Removes copies of events that are done in all partitions. The last copy stays. */
  async trim(generations: readonly Generation[]): Promise<void> {
    const state = await this.#api.streamState(this.name)
    if (!state || state.messages < 2) return
    const floors = await Promise.all(generations.map((generation) => this.#floor(generation, state.lastSeq)))
    const before = Math.min(...floors.map((floor) => floor + 1), state.lastSeq)
    if (before > state.firstSeq) await this.#api.purgeStream(this.name, before)
  }

  /** Ends a generation if all of its events are done. Its consumers are deleted. */
  async retire(generation: Generation): Promise<void> {
    const state = await this.#api.streamState(this.name)
    if (!state || (await this.#floor(generation, state.lastSeq)) < state.lastSeq) return
    const rest = this.#readGenerations(state.config).filter(({ number }) => number !== generation.number)
    await this.#api.updateStream(withMetadata(state.config, { [GENERATIONS]: encodeGenerations(rest) }))
    this.#deleteConsumers(generation)
  }

  /**
   * Begins a new generation with another number of partitions. Its events begin where the last generation ends.
   * Idempotent: after a failure, call it again.
   * @throws SpanwireError (as rejection) `stream-not-found`, `stream-conflict`
   */
  async change(): Promise<void> {
    const origin = await this.#origin()
    let state = await this.#api.streamState(this.name)
    if (!state)
      throw new SpanwireError(
        'stream-not-found',
        `The consumer ${this.#events.consumer} of ${origin.name} has no partitions yet: consume creates them.`,
      )
    const generations = this.#readGenerations(state.config)
    const { number, count } = generations.at(-1) ?? { number: 0, count: 0 }
    if (sourceOf(state.config) && count === this.#events.count) return
    if (generations.length > 1)
      throw this.#conflict(`its events of ${generations[0]?.count} partitions are not done: try again when they are`)
    const next = { number: number + 1, count: this.#events.count }
    if (sourceOf(state.config)) {
      await this.#api.updateStream({ ...state.config, sources: [] })
      state = await this.#untilStill()
    }
    const last = await this.#api.lastMessage(this.name, '>')
    const start = last ? { opt_start_seq: restoreEvent(last).seq + 1 } : readStart(state.config)
    await this.#api.updateStream(this.#configOf(state.config, [...generations, next], { origin, start }))
    await this.#ensureConsumers(next)
  }

  async #origin(): Promise<StreamState> {
    const { stream } = this.#events
    const origin = await this.#api.streamState(stream)
    if (!origin) throw new SpanwireError('stream-not-found', `The stream ${stream} does not exist: see ensureStreams.`)
    const { retention = 'limits' } = origin.config
    if (retention !== 'limits')
      throw this.#conflict(`partitions require a stream with retention limits, and ${stream} has ${retention}`)
    return origin
  }

  async #create(origin: StreamState): Promise<StreamState> {
    const { config } = origin
    const first = { number: 1, count: this.#events.count }
    const own = {
      name: this.name,
      description: `Partitions of the consumer ${this.#events.consumer} of ${origin.name}`,
      storage: config.storage,
      num_replicas: config.num_replicas,
      allow_rollup_hdrs: config.allow_rollup_hdrs,
      duplicate_window: NO_WINDOW,
    }
    const created = this.#configOf(own, [first], { origin, start: toStart(this.#events.from, origin) })
    // Another process may create it at the same time, from another position.
    const failure = await this.#api.createStream(created).catch((error: unknown) => ({ error }))
    const state = await this.#api.streamState(this.name)
    if (!state) throw failure?.error ?? new SpanwireError('stream-not-found', `${this.name} was deleted.`)
    // nats-server before 2.10 ignores fields that it does not know.
    if (!sourceOf(state.config)?.subject_transforms) {
      await this.#api.deleteStream(this.name)
      throw new SpanwireError(
        'unsupported',
        'Partitions require nats-server 2.11 or later: upgrade it, or remove the option partitions.',
      )
    }
    return state
  }

  /** Returns the generations. @throws SpanwireError `stream-conflict` if the options are different */
  async #check({ config, lastSeq }: StreamState, origin: StreamState): Promise<readonly Generation[]> {
    if (metadataOf(config)[ORIGIN] !== origin.epoch && metadataOf(config)[GENERATIONS])
      return this.#begin(config, lastSeq, origin)
    const generations = this.#readGenerations(config)
    const source = sourceOf(config)
    if (!source)
      throw this.#conflict('a change of its number of partitions was not completed: call changePartitions again')
    const current = generations.at(-1) as Generation
    this.checkCount(current)
    const wanted = this.#events.transforms(current)
    if (JSON.stringify(source.subject_transforms) !== JSON.stringify(wanted))
      throw this.#conflict('it has other events, params or order: use another name')
    return generations
  }

  /** Begins with the events of a stream that was created again. The copies are of events that do not exist. */
  async #begin(config: StreamConfig, lastSeq: number, origin: StreamState): Promise<readonly Generation[]> {
    const earlier = parseGenerations(config)
    const next = { number: (earlier.at(-1)?.number ?? 0) + 1, count: this.#events.count }
    const start = toStart(this.#events.from, origin)
    await this.#api.updateStream(this.#configOf(config, [next], { origin, start }))
    await this.#api.purgeStream(this.name, lastSeq + 1)
    for (const generation of earlier) this.#deleteConsumers(generation)
    return [next]
  }

  /** @throws SpanwireError `stream-conflict` */
  #readGenerations(config: StreamConfig): readonly Generation[] {
    const generations = parseGenerations(config)
    const current = generations.at(-1)
    if (!current)
      throw this.#conflict(`the stream ${this.name} is not a stream of partitions: use another name for the consumer`)
    return generations
  }

  #configOf(
    config: StreamConfig,
    generations: readonly Generation[],
    { origin, start }: { readonly origin: StreamState; readonly start: SourceStart },
  ): StreamConfig {
    const subject_transforms = this.#events.transforms(generations.at(-1) as Generation)
    const metadata = {
      [GENERATIONS]: encodeGenerations(generations),
      [ORIGIN]: origin.epoch,
      [START]: JSON.stringify(start),
    }
    const { subjects: _, ...own } = withMetadata(config, metadata)
    return { ...own, sources: [{ name: origin.name, ...start, subject_transforms }] }
  }

  /** Resolves when the stream receives no more copies. */
  async #untilStill(): Promise<StreamState> {
    let before = -1
    for (;;) {
      const state = await this.#api.streamState(this.name)
      if (!state) throw new SpanwireError('stream-not-found', `The stream ${this.name} was deleted.`)
      if (state.lastSeq === before) return state
      before = state.lastSeq
      await pause(STILL)
    }
  }

  async #ensureConsumers(generation: Generation): Promise<void> {
    const { ackWait } = this.#events
    await Promise.all(
      partitionsOf(generation).map((partition) => {
        const { consumer: name, ...queue } = this.queue(generation, partition)
        return ensureConsumer(this.#api, { ...queue, name, ackWait, order: 'by-lane' })
      }),
    )
  }

  #deleteConsumers(generation: Generation): void {
    for (const partition of partitionsOf(generation))
      this.#api.deleteConsumer(this.name, this.queue(generation, partition).consumer)
  }

  /** Returns the sequence up to which all events of a generation are done. At most `lastSeq`, which was read before. */
  async #floor(generation: Generation, lastSeq: number): Promise<number> {
    const floors = partitionsOf(generation).map(async (partition) => {
      const { consumer, filter } = this.queue(generation, partition)
      const { floor, unacknowledged } = await this.#api.consumerProgress(this.name, consumer)
      if (unacknowledged > 0) return floor
      // The number of pending messages is an estimate.
      const next = await this.#api.nextMessage(this.name, filter, floor + 1)
      return next ? next.seq - 1 : lastSeq
    })
    return Math.min(...(await Promise.all(floors)), lastSeq)
  }

  #conflict(problem: string): SpanwireError {
    const { consumer, stream } = this.#events
    return new SpanwireError('stream-conflict', `The consumer ${consumer} of ${stream} can't be used: ${problem}.`)
  }
}

/** The numbers of all partitions of a generation. */
export function partitionsOf({ count }: Generation): number[] {
  return Array.from({ length: count }, (_, partition) => partition)
}

function toStart(from: ConsumerStart, { lastSeq }: StreamState): SourceStart {
  if (from === 'all') return {}
  if (from === 'new') return { opt_start_seq: lastSeq + 1 }
  if ('seq' in from) return { opt_start_seq: from.seq }
  return { opt_start_time: new Date(from.time).toISOString() }
}

function metadataOf({ metadata }: StreamConfig): Readonly<Record<string, unknown>> {
  return Object(metadata)
}

function withMetadata(config: StreamConfig, own: Readonly<Record<string, string>>): StreamConfig {
  return { ...config, metadata: { ...metadataOf(config), ...own } }
}

function readStart(config: StreamConfig): SourceStart {
  return JSON.parse(String(metadataOf(config)[START] ?? '{}'))
}

function sourceOf({ sources }: StreamConfig): StreamSource | undefined {
  return Array.isArray(sources) ? sources[0] : undefined
}

/** `<number>:<count>` of each generation, separated by commas. */
function encodeGenerations(generations: readonly Generation[]): string {
  return generations.map(({ number, count }) => `${number}:${count}`).join()
}

function parseGenerations(config: StreamConfig): Generation[] {
  return [...String(metadataOf(config)[GENERATIONS] ?? '').matchAll(/(\d+):(\d+)/g)].map(([, number, count]) => ({
    number: Number(number),
    count: Number(count),
  }))
}
