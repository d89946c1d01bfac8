import type { JetStreamApi, StreamConfig, StreamState } from '../jetstream/api.ts'
import { pause } from '../kit/pause.ts'
import { isSpanwireError, SpanwireError } from '../wire/errors.ts'
import type { Queue } from './durable-consumer.ts'
import { ensureConsumer } from './ensure-consumer.ts'
import { generationsOf, isOutdated, sourceOf, startOf, toSourceStart, withPartitions } from './partition-config.ts'
import { RECOUNTED } from './partition-group.ts'
import { type Generation, heldOf, type PartitionedEvents, partitionsOf, restoreEvent } from './partition-subjects.ts'

/** Shortest duplicate window of JetStream, in ns. The ids of copies must not make a difference. */
const NO_WINDOW = 100_000_000
/** Interval of checks that no more copies arrive, in ms. */
const STILL = 200

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
  queue(generation: Generation, partition: number): Queue {
    const { number } = generation
    return {
      stream: this.name,
      consumer: `${number}-${partition}`,
      filter: `${number}.${partition}.>`,
      from: 'all',
      held: heldOf(generation),
      restore: restoreEvent,
    }
  }

  /** The subject of messages between the processes. */
  groupSubject({ number }: Generation): string {
    const { stream, consumer } = this.#events
    return `$SPANWIRE.CONSUMER.${stream}.${consumer}.${number}`
  }

  /**
   * Creates the stream and its consumers, or compares them with the options.
   * @throws SpanwireError (as rejection) `stream-conflict`, `stream-not-found`, `unsupported`, `permission-denied`
   */
  async ensure(): Promise<void> {
    const origin = await this.#origin()
    const existing = await this.#api.streamState(this.name)
    let { config, lastSeq } = existing ?? (await this.#create(origin))
    const earlier = generationsOf(config)
    if (earlier.length > 0 && isOutdated(config, origin)) config = await this.#renew(config, lastSeq, origin)
    this.#check(config)
    try {
      await Promise.all(generationsOf(config).map((generation) => this.#ensureConsumers(generation)))
    } catch (error) {
      if (!existing && isSpanwireError(error, 'unsupported')) await this.#api.deleteStream(this.name)
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
    if (isOutdated(state.config, origin))
      throw new SpanwireError('stream-not-found', `The stream ${origin.name} was deleted and created again.`)
    const generations = generationsOf(state.config)
    for (let [first] = generations; first && generations.length > 1; [first] = generations) {
      if (!(await this.#isDone(first, state))) break
      generations.shift()
    }
    return generations
  }

  /** @throws SpanwireError `stream-conflict` if the number of partitions is not the one of the options */
  checkCount({ count }: Generation): void {
    if (count === this.#events.count) return
    throw this.#conflict(
      `it has ${count} partitions, not ${this.#events.count}: use partitions: ${count}, or setPartitions`,
    )
  }

  /** Removes copies of events that are done in all partitions. The last copy stays. */
  async prune(generation: Generation): Promise<void> {
    const state = await this.#api.streamState(this.name)
    if (!state || state.messages < 2) return
    const before = Math.min((await this.#floor(generation, state.lastSeq)) + 1, state.lastSeq)
    if (before > state.firstSeq) await this.#api.purgeStream(this.name, before)
  }

  /**
   * Creates the partitions, or changes their number. The events of the new number begin where those of the last one end.
   * Idempotent: after a failure, call it again.
   * @throws SpanwireError (as rejection) as `ensure`, and `stream-conflict` if events of an earlier number are not done
   */
  async set(): Promise<void> {
    const origin = await this.#origin()
    let state = await this.#api.streamState(this.name)
    if (!state || isOutdated(state.config, origin)) return this.ensure()
    const generations = generationsOf(state.config)
    const current = generations.at(-1)
    if (!current || (sourceOf(state.config) && current.count === this.#events.count)) return this.ensure()
    const earlier = generations.slice(0, -1)
    for (const generation of earlier)
      if (!(await this.#isDone(generation, state)))
        throw this.#conflict(`its events of ${generation.count} partitions are not done: try again when they are`)
    if (sourceOf(state.config)) {
      await this.#api.updateStream({ ...state.config, sources: [] })
      state = await this.#untilStill()
    }
    const last = await this.#api.lastMessage(this.name, '>')
    const start = last ? { opt_start_seq: restoreEvent(last).seq + 1 } : startOf(state.config)
    const next = { number: current.number + 1, count: this.#events.count }
    const transforms = this.#events.transforms(next)
    await this.#api.updateStream(
      withPartitions(state.config, { generations: [current, next], origin, start, transforms }),
    )
    await this.#ensureConsumers(next)
    for (const generation of earlier) this.#deleteConsumers(generation)
    this.#api.link.publish(this.groupSubject(current), RECOUNTED)
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
    const { storage, num_replicas, allow_rollup_hdrs } = origin.config
    const first = { number: 1, count: this.#events.count }
    const own = {
      name: this.name,
      description: `Partitions of the consumer ${this.#events.consumer} of ${origin.name}`,
      ...{ storage, num_replicas, allow_rollup_hdrs, duplicate_window: NO_WINDOW },
    }
    const start = toSourceStart(this.#events.from, origin)
    const transforms = this.#events.transforms(first)
    const created = withPartitions(own, { generations: [first], origin, start, transforms })
    // Another process may create it at the same time, from another position, and delete it on a server that is too old.
    let failure: unknown
    const made = await this.#api.createStream(created).catch((error: unknown) => {
      failure = error
    })
    if (isSpanwireError(failure, 'permission-denied'))
      throw new SpanwireError(
        'permission-denied',
        `The stream ${this.name} can't be created: call setPartitions once, with more permissions.`,
        { cause: failure },
      )
    const state = await this.#api.streamState(this.name)
    const config = state?.config ?? made
    // nats-server before 2.10 ignores fields that it does not know.
    if (config && !sourceOf(config)?.subject_transforms) {
      await this.#api.deleteStream(this.name).catch(() => {})
      throw new SpanwireError(
        'unsupported',
        'Partitions require nats-server 2.11 or later: upgrade it, or remove the option partitions.',
      )
    }
    if (!state) throw failure ?? new SpanwireError('stream-not-found', `${this.name} was deleted.`)
    return state
  }

  /** @throws SpanwireError `stream-conflict` if the options are different */
  #check(config: StreamConfig): void {
    const current = generationsOf(config).at(-1)
    if (!current)
      throw this.#conflict(`the stream ${this.name} is not a stream of partitions: use another name for the consumer`)
    const source = sourceOf(config)
    if (!source)
      throw this.#conflict('a change of its number of partitions was not completed: call setPartitions again')
    this.checkCount(current)
    if (JSON.stringify(source.subject_transforms) !== JSON.stringify(this.#events.transforms(current)))
      throw this.#conflict('it has other events, params or order: use another name')
  }

  /** Begins with the events of a stream that was created again. The copies are of events that do not exist. */
  async #renew(config: StreamConfig, lastSeq: number, origin: StreamState): Promise<StreamConfig> {
    const earlier = generationsOf(config)
    const next = { number: (earlier.at(-1)?.number ?? 0) + 1, count: this.#events.count }
    const start = toSourceStart(this.#events.from, origin)
    const transforms = this.#events.transforms(next)
    const renewed = withPartitions(config, { generations: [next], origin, start, transforms })
    await this.#api.updateStream(renewed)
    await this.#api.purgeStream(this.name, lastSeq + 1)
    for (const generation of earlier) this.#deleteConsumers(generation)
    return renewed
  }

  /** Resolves when the stream receives no more copies. */
  async #untilStill(): Promise<StreamState> {
    for (let before = -1; ; await pause(STILL)) {
      const state = await this.#api.streamState(this.name)
      if (!state) throw new SpanwireError('stream-not-found', `The stream ${this.name} was deleted.`)
      if (state.lastSeq === before) return state
      before = state.lastSeq
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

  async #isDone(generation: Generation, { lastSeq }: StreamState): Promise<boolean> {
    return (await this.#floor(generation, lastSeq)) >= lastSeq
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
