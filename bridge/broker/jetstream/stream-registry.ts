import { filtersOverlap } from '../../../sdk/wire/subject.ts'
import { SubjectTree } from '../../upstream/subject-tree.ts'
import { apiErrors } from './api-error.ts'
import { createMemoryStore } from './memory-store.ts'
import { Stream, type StreamOrigin, type StreamServices } from './stream.ts'
import { checkUpdate, type StreamConfig, sameConfig } from './stream-config.ts'
import type { Consumer } from './stream-consumer.ts'
import type { MessageStore, StreamStore } from './stream-store.ts'

/** A stream and its consumers. */
export interface HostedStream {
  readonly stream: Stream
  readonly consumers: Map<string, Consumer>
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
    if (this.#byName.size >= MAX_STREAMS) throw apiErrors.tooManyStreams()
    const before = (config.first_seq ?? 1) - 1
    const created = this.#timestamp()
    const messages = this.#storeOf(config).create(config, created, before)
    return this.#host({ config, created, last: { seq: before, time: 0 } }, messages)
  }

  /** @throws ApiError */
  update(config: StreamConfig): HostedStream {
    const hosted = this.get(config.name)
    const { stream } = hosted
    checkUpdate(stream.config, config)
    this.#checkOverlap(config)
    this.#storeOf(config).update(config)
    for (const subject of stream.config.subjects) this.#captures.delete(subject, stream)
    for (const subject of config.subjects) this.#captures.add(subject, stream)
    stream.reconfigure(config)
    return hosted
  }

  /** @throws ApiError 10059 */
  delete(name: string): void {
    const { stream, consumers } = this.get(name)
    this.#storeOf(stream.config).delete(name)
    this.#byName.delete(name)
    for (const subject of stream.config.subjects) this.#captures.delete(subject, stream)
    stream.release()
    for (const consumer of consumers.values()) consumer.close()
  }

  close(): void {
    for (const { stream, consumers } of this.#byName.values()) {
      stream.stop()
      for (const consumer of consumers.values()) consumer.close()
    }
    this.#byName.clear()
    this.#captures.clear()
    this.#options.store.close()
  }

  #host(origin: StreamOrigin, messages: MessageStore): HostedStream {
    const stream = new Stream(origin, messages, this.#services)
    const hosted = { stream, consumers: new Map<string, Consumer>() }
    this.#byName.set(stream.config.name, hosted)
    for (const subject of stream.config.subjects) this.#captures.add(subject, stream)
    return hosted
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
