import { filtersOverlap } from '../../../sdk/wire/subject.ts'
import { SubjectTree } from '../../upstream/subject-tree.ts'
import { apiErrors } from './api-error.ts'
import type { Consumer } from './consumer.ts'
import { createMemoryStore } from './memory-store.ts'
import type { MessageStore, StreamStore } from './store.ts'
import { Stream, type StreamSurroundings } from './stream.ts'
import { checkUpdate, type StreamConfig, sameConfig } from './stream-config.ts'

/** A stream and those who read it by consumers. */
export interface HostedStream {
  readonly stream: Stream
  readonly consumers: Map<string, Consumer>
}

/** What bounds a broker's streams. */
export interface StreamsOptions {
  /** For streams whose storage is `file`; the others are kept in memory. */
  readonly store: StreamStore
  readonly maxBytes: number
  readonly clock: () => number
  readonly random: () => number
}

/** A stream costs a little memory even when it is empty; nobody is to fill the process with them. */
const MAX_STREAMS = 1_000

/** All streams of a broker, by name and by the subjects that they capture. */
export class Streams {
  readonly #options: StreamsOptions
  readonly #memory = createMemoryStore()
  readonly #byName = new Map<string, HostedStream>()
  readonly #captures = new SubjectTree<Stream>()
  readonly #around: StreamSurroundings
  #bytes = 0

  constructor(options: StreamsOptions) {
    this.#options = options
    this.#around = {
      clock: options.clock,
      hasRoom: (bytes) => this.#hasRoom(bytes),
      count: (bytes) => {
        this.#bytes += bytes
      },
    }
    for (const { config, created, lastSeq, lastTime, messages } of options.store.load()) {
      this.#host(config, created, messages, { seq: lastSeq, time: lastTime })
    }
  }

  /** What all of them take in memory, or would. */
  get bytes(): number {
    return this.#bytes
  }

  /** By name. */
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

  /** The stream that captures the subject. There is never more than one. */
  capturing(subject: string): Stream | undefined {
    return this.#captures.match(subject)[0]
  }

  /**
   * A new stream, or the one that is there with the same configuration.
   * @throws ApiError
   */
  create(config: StreamConfig): HostedStream {
    const there = this.#byName.get(config.name)
    if (there) {
      if (!sameConfig(there.stream.config, config)) throw apiErrors.streamNameInUse()
      return there
    }
    this.#checkOverlap(config)
    if (this.#byName.size >= MAX_STREAMS) throw apiErrors.tooManyStreams()
    const first = config.first_seq ?? 1
    const created = this.#timestamp()
    return this.#host(config, created, this.#storeOf(config).create(config, created, first - 1), undefined)
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
    for (const { consumers } of this.#byName.values()) for (const consumer of consumers.values()) consumer.close()
    this.#byName.clear()
    this.#captures.clear()
    this.#options.store.close()
  }

  #host(
    config: StreamConfig,
    created: string,
    messages: MessageStore,
    last: { readonly seq: number; readonly time: number } | undefined,
  ): HostedStream {
    const stream = new Stream(config, created, messages, this.#around, last)
    const hosted = { stream, consumers: new Map<string, Consumer>() }
    this.#byName.set(config.name, hosted)
    for (const subject of config.subjects) this.#captures.add(subject, stream)
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
    // Nobody may have looked at some streams since their messages became too old.
    for (const { stream } of this.#byName.values()) stream.expire(this.#options.clock())
    return this.#bytes + bytes <= this.#options.maxBytes
  }

  /** With chance where the clock has no digits: a stream that is made again at once is another all the same. */
  #timestamp(): string {
    const digits = Math.floor(this.#options.random() * 1_000_000)
    return new Date(this.#options.clock()).toISOString().replace('Z', `${String(digits).padStart(6, '0')}Z`)
  }
}
