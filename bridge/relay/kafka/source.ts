import type { Consumer, Message, MessagesStream } from '@platformatic/kafka'
import { SpanwireError } from '../../../sdk/wire/errors.ts'
import type { ForeignSource, Incoming, SourceOptions } from '../foreign.ts'
import type { KafkaTopicOptions } from './index.ts'
import { type KafkaLink, type KafkaModule, loadKafka, toKafkaError } from './link.ts'

/** A message with its partition and offset. */
interface KafkaIncoming extends Incoming {
  readonly partition: number
  readonly position: number
}

/** The interval of commits, in ms. After a crash, the checkpoint or ids identify records that were not committed. */
const COMMIT_EVERY = 200
/** The longest wait of an empty fetch, in ms. */
const FETCH_WAIT = 500

/** Opens a source. @throws SpanwireError (as rejection) the errors of {@link ForeignOrigin.openSource} */
export async function openKafkaSource(
  link: KafkaLink,
  topic: string,
  { group, from = 'earliest' }: KafkaTopicOptions,
  options: SourceOptions,
): Promise<ForeignSource> {
  const module = await loadKafka()
  const consumer = new module.Consumer({
    ...link.client,
    groupId: group ?? `spanwire.${options.relay}`,
    autocommit: false,
    sessionTimeout: link.sessionTimeout,
    heartbeatInterval: Math.max(500, Math.floor(link.sessionTimeout / 4)),
    rebalanceTimeout: 30_000,
    maxWaitTime: FETCH_WAIT,
    maxBytes: options.windowBytes,
  } as never)
  // The client also rejects with these errors.
  consumer.on('error', () => {})
  try {
    const { topics } = await consumer.metadata({ topics: [topic] })
    const id = topics.get(topic)?.id
    if (id === undefined)
      throw new SpanwireError('broker-refused', `Kafka has no topic ${topic}. Create it, then restart the relay.`)
    const stream = await consumer.consume({ topics: [topic], mode: 'committed', fallbackMode: from })
    return new KafkaSource({ module, consumer, stream, topic, epoch: id, options })
  } catch (cause) {
    await consumer.close(true).catch(() => {})
    throw toKafkaError(cause, topic)
  }
}

interface KafkaParts {
  readonly module: KafkaModule
  readonly consumer: Consumer
  readonly stream: MessagesStream<Buffer, Buffer, Buffer, Buffer>
  readonly topic: string
  readonly epoch: string
  readonly options: SourceOptions
}

/** The partitions of a topic that are assigned to this member of the group. */
class KafkaSource implements ForeignSource {
  readonly exclusive = true
  readonly epoch: string
  readonly #parts: KafkaParts
  /** The next offset to commit of each partition. */
  readonly #settled = new Map<number, number>()
  /** Partitions with an offset that is not committed. */
  readonly #uncommitted = new Set<number>()
  #assigned: readonly number[]
  #batch: Incoming[] = []
  #commit: ReturnType<typeof setTimeout> | undefined
  #isClosed = false

  constructor(parts: KafkaParts) {
    this.#parts = parts
    this.epoch = parts.epoch
    const { consumer, stream, topic, options } = parts
    this.#assigned = this.#assignment()
    stream.on('data', (message: Message<Buffer, Buffer, Buffer, Buffer>) => this.#take(message))
    const failed = (error: unknown) => {
      if (!this.#isClosed) options.handler.failed(toKafkaError(error, topic))
    }
    stream.on('error', failed)
    stream.on('close', () => failed(new Error('the stream of messages ended')))
    consumer.on('consumer:group:join', () => this.#reassigned())
  }

  pause(): void {
    this.#parts.stream.pause()
  }

  resume(): void {
    this.#parts.stream.resume()
  }

  async settle(done: readonly KafkaIncoming[]): Promise<void> {
    for (const { partition, position } of done) {
      if (!this.#assigned.includes(partition)) continue
      this.#settled.set(partition, Math.max(this.#settled.get(partition) ?? 0, position + 1))
      this.#uncommitted.add(partition)
    }
    this.#commit ??= setTimeout(() => void this.#flush(), COMMIT_EVERY)
  }

  async lag(): Promise<number | undefined> {
    const { consumer, topic, module } = this.#parts
    const partitions = [...this.#assigned]
    if (partitions.length === 0) return 0
    const asked = { topics: [topic], partitions: { [topic]: partitions } }
    const ends = await consumer.listOffsets({ ...asked, timestamp: module.ListOffsetTimestamps.LATEST })
    const committed = await consumer.listCommittedOffsets({ topics: [{ topic, partitions }] })
    return partitions.reduce((sum, partition) => {
      const end = Number(ends.get(topic)?.[partition] ?? 0n)
      const known = this.#settled.get(partition) ?? Math.max(0, Number(committed.get(topic)?.[partition] ?? 0n))
      return sum + Math.max(0, end - known)
    }, 0)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#flush()
    const { consumer, stream } = this.#parts
    await stream.close().catch(() => {})
    await consumer.close(true).catch(() => {})
  }

  #assignment(): readonly number[] {
    const { consumer, topic } = this.#parts
    return consumer.assignments?.find((one) => one.topic === topic)?.partitions ?? []
  }

  /** Reports lost partitions. A partition that is assigned again is read from its committed offset. */
  #reassigned(): void {
    const before = this.#assigned
    this.#assigned = this.#assignment()
    const lost = before.filter((partition) => !this.#assigned.includes(partition))
    for (const partition of lost) {
      this.#settled.delete(partition)
      this.#uncommitted.delete(partition)
    }
    const { handler } = this.#parts.options
    if (lost.length > 0) handler.lost(lost.map((partition) => this.#lane(partition)))
  }

  #lane(partition: number): string {
    return `${this.#parts.topic}/${partition}`
  }

  #take(message: Message<Buffer, Buffer, Buffer, Buffer>): void {
    const { partition } = message
    if (!this.#assigned.includes(partition)) return
    // The messages of one fetch form one batch.
    if (this.#batch.length === 0)
      setImmediate(() => {
        const batch = this.#batch
        this.#batch = []
        if (!this.#isClosed) this.#parts.options.handler.messages(batch)
      })
    const position = Number(message.offset)
    const incoming: KafkaIncoming = {
      lane: this.#lane(partition),
      // A topic that was created again has the same offsets.
      id: `${this.epoch.slice(0, 8)}/${partition}/${position}`,
      partition,
      position,
      key: message.key ?? undefined,
      headers: message.headerEntries.map(([name, value]) => [String(name ?? ''), String(value ?? '')]),
      time: Number(message.timestamp),
      payload: message.value ?? null,
      redelivered: false,
    }
    this.#batch.push(incoming)
  }

  async #flush(): Promise<void> {
    clearTimeout(this.#commit)
    this.#commit = undefined
    const { consumer, topic } = this.#parts
    const offsets = [...this.#uncommitted].map((partition) => ({
      topic,
      partition,
      offset: BigInt(this.#settled.get(partition) ?? 0),
      leaderEpoch: -1,
    }))
    this.#uncommitted.clear()
    if (offsets.length === 0) return
    try {
      await consumer.commit({ offsets })
    } catch {
      // A group refuses commits during a rebalance. These records are read again, and their position is already stored.
    }
  }
}
