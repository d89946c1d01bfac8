import { filtersOverlap } from '../../../sdk/wire/subject.ts'
import { SubjectTree } from '../../upstream/subject-tree.ts'
import { apiErrors } from './api-error.ts'
import { createMemoryStore } from './memory-store.ts'
import type { SourceConfig } from './source-config.ts'
import { Stream, type StreamOrigin, type StreamServices } from './stream.ts'
import { checkUpdate, type StreamConfig, sameConfig } from './stream-config.ts'
import type { Consumer } from './stream-consumer.ts'
import { StreamSource } from './stream-source.ts'
import type { MessageStore, StreamStore } from './stream-store.ts'

/** A stream and its consumers. */
export interface HostedStream {
  readonly stream: Stream
  readonly consumers: Map<string, Consumer>
  /** Copies of other streams' messages. */
  sources: readonly StreamSource[]
}

/** Options of a {@link StreamRegistry}. */
export interface StreamRegistryOptions {
  /** Store of streams with storage `file`. Other streams are in memory. */
  readonly store: StreamStore
  /** Memory of all streams together, in bytes. */
  readonly maxBytes: number
  readonly clock: () => number
  readonly random: () => number
}

/** An empty stream takes memory as well, so their number is bounded. */
const MAX_STREAMS = 1_000

/** All streams of a broker, by name and by captured subject. */
export class StreamRegistry {
  readonly #options: StreamRegistryOptions
  readonly #memory = createMemoryStore()
  readonly #byName = new Map<string, HostedStream>()
  readonly #captures = new SubjectTree<Stream>()
  readonly #services: StreamServices
  #bytes = 0

  constructor(options: StreamRegistryOptions) {
    this.#options = options
    this.#services = {
      clock: options.clock,
      hasRoom: (bytes) => this.#hasRoom(bytes),
      count: (bytes) => {
        this.#bytes += bytes
      },
    }
    for (const { config, created, lastSeq, lastTime, messages } of options.store.load()) {
      this.#host({ config, created, last: { seq: lastSeq, time: lastTime } }, messages)
    }
    for (const hosted of this.#byName.values()) this.#connect(hosted)
  }

  /** All streams, by name. */
  all(): HostedStream[] {
    return [...this.#byName.values()].sort((a, b) => (a.stream.config.name < b.stream.config.name ? -1 : 1))
  }

  /** @throws ApiError 10059 */
  get(name: string): HostedStream {
    const hosted = this.#byName.get(name)
    if (!hosted) throw apiErrors.streamNotFound()
    return hosted
  }

  find(name: string): HostedStream | undefined {
    return this.#byName.get(name)
  }

  /** The stream that captures the subject. There is at most one. */
  capturing(subject: string): Stream | undefined {
    return this.#captures.match(subject)[0]
  }

  /**
   * Creates a stream. Returns the existing one if it has the same configuration.
   * @throws ApiError
   */
  create(config: StreamConfig): HostedStream {
    const existing = this.#byName.get(config.name)
    if (existing) {
      if (!sameConfig(existing.stream.config, config)) throw apiErrors.streamNameInUse()
      return existing
    }
    this.#checkOverlap(config)
    this.#checkCycle(config)
    if (this.#byName.size >= MAX_STREAMS) throw apiErrors.tooManyStreams()
    const before = (config.first_seq ?? 1) - 1
    const created = this.#timestamp()
    const messages = this.#storeOf(config).create(config, created, before)
    const hosted = this.#host({ config, created, last: { seq: before, time: 0 } }, messages)
    this.#connect(hosted)
    for (const source of this.#sourcesOf(config.name)) source.attach(hosted.stream)
    return hosted
  }

  /** @throws ApiError */
  update(config: StreamConfig): HostedStream {
    const hosted = this.get(config.name)
    const { stream } = hosted
    checkUpdate(stream.config, config)
    this.#checkOverlap(config)
    this.#checkCycle(config)
    this.#storeOf(config).update(config)
    for (const subject of stream.config.subjects) this.#captures.delete(subject, stream)
    for (const subject of config.subjects) this.#captures.add(subject, stream)
    const isSame = sameConfig(stream.config.sources ?? [], config.sources ?? [])
    stream.reconfigure(config)
    if (!isSame) this.#connect(hosted)
    return hosted
  }

  /** @throws ApiError 10059 */
  delete(name: string): void {
    const { stream, consumers, sources } = this.get(name)
    for (const source of [...sources, ...this.#sourcesOf(name)]) source.detach()
    this.#storeOf(stream.config).delete(name)
    this.#byName.delete(name)
    for (const subject of stream.config.subjects) this.#captures.delete(subject, stream)
    stream.release()
    for (const consumer of consumers.values()) consumer.close()
  }

  close(): void {
    for (const { stream, consumers, sources } of this.#byName.values()) {
      stream.stop()
      for (const consumer of consumers.values()) consumer.close()
      for (const source of sources) source.detach()
    }
    this.#byName.clear()
    this.#captures.clear()
    this.#options.store.close()
  }

  #host(origin: StreamOrigin, messages: MessageStore): HostedStream {
    const stream = new Stream(origin, messages, this.#services)
    const hosted = { stream, consumers: new Map<string, Consumer>(), sources: [] }
    this.#byName.set(stream.config.name, hosted)
    for (const subject of stream.config.subjects) this.#captures.add(subject, stream)
    return hosted
  }

  /** Begins the copies from the sources of a stream. */
  #connect(hosted: HostedStream): void {
    const { stream, sources } = hosted
    for (const source of sources) source.detach()
    hosted.sources = (stream.config.sources ?? []).map((config) => new StreamSource(stream, config))
    for (const source of hosted.sources) {
      const origin = this.find(source.name)
      if (origin) source.attach(origin.stream)
    }
  }

  /** Copies from a stream to others. */
  #sourcesOf(name: string): StreamSource[] {
    return [...this.#byName.values()].flatMap(({ sources }) => sources.filter((source) => source.name === name))
  }

  #checkCycle({ name, sources = [] }: StreamConfig): void {
    const reached = new Set<string>()
    const visit = (own: readonly SourceConfig[]) => {
      for (const { name: next } of own) {
        if (next === name) throw apiErrors.streamInvalidConfig('detected cycle')
        if (reached.has(next)) continue
        reached.add(next)
        visit(this.find(next)?.stream.config.sources ?? [])
      }
    }
    visit(sources)
  }

  #storeOf({ storage }: StreamConfig): StreamStore {
    return storage === 'memory' ? this.#memory : this.#options.store
  }

  #checkOverlap(config: StreamConfig): void {
    for (const { stream } of this.#byName.values()) {
      if (stream.config.name === config.name) continue
      const overlap = stream.config.subjects.some((a) => config.subjects.some((b) => filtersOverlap(a, b)))
      if (overlap) throw apiErrors.subjectsOverlap()
    }
  }

  #hasRoom(bytes: number): boolean {
    if (this.#bytes + bytes <= this.#options.maxBytes) return true
    // Some streams may hold expired messages, because nothing has used them since.
    for (const { stream } of this.#byName.values()) stream.expire(this.#options.clock())
    return this.#bytes + bytes <= this.#options.maxBytes
  }

  /** The digits after the clock's milliseconds are random, so that a recreated stream has another time. */
  #timestamp(): string {
    const digits = Math.floor(this.#options.random() * 1_000_000)
    return new Date(this.#options.clock()).toISOString().replace('Z', `${String(digits).padStart(6, '0')}Z`)
  }
}
