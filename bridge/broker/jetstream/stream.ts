import type { UpstreamMessage } from '../../upstream/upstream.ts'
import { checkExpectations, checkLimits, checkStream, type PublishRules, readRules } from './admission.ts'
import { apiErrors } from './api-error.ts'
import type { Entry } from './entry-log.ts'
import type { Filter } from './filter.ts'
import { MessageIds } from './message-ids.ts'
import { MessageIndex } from './message-index.ts'
import { MessageTtls } from './message-ttl.ts'
import type { StreamConfig } from './stream-config.ts'
import type { MessageStore, StoreRecord } from './stream-store.ts'

/** A consumer of a stream. */
export interface StreamObserver {
  added(entry: Entry): void
  removed(entry: Entry): void
}

/** Services of the broker that its streams share. */
export interface StreamServices {
  readonly clock: () => number
  /** Whether the broker has room for that many bytes. If not, the message is refused. */
  hasRoom(bytes: number): boolean
  /** Counts memory that a stream takes; negative when it releases memory. */
  count(bytes: number): void
}

/** The stored message, or the one that it repeats. */
export interface Stored {
  readonly seq: number
  readonly duplicate: boolean
}

/** Identity of a stream, and its last message. */
export interface StreamOrigin {
  readonly config: StreamConfig
  /** RFC 3339. */
  readonly created: string
  /** Sequence and time of the last message, which may be removed. */
  readonly last: { readonly seq: number; readonly time: number }
}

const NS_PER_MS = 1_000_000
/** Approximate memory for the index of a message, in bytes, also with a store on disk. */
const INDEX_COST = 400
/** Bytes that nats-server's file store adds to each message, so that `max_bytes` has the same meaning. */
const RECORD = 30
const HEADER_LENGTH = 4

/** Messages by sequence, with the limits of a stream's configuration. All calls are synchronous. */
export class Stream {
  readonly created: string
  readonly observers: Set<StreamObserver> = new Set()
  #config: StreamConfig
  readonly #store: MessageStore
  readonly #services: StreamServices
  readonly #index = new MessageIndex()
  readonly #ids = new MessageIds()
  readonly #ttls = new MessageTtls()
  #lastSeq: number
  #lastTime: number
  #lastId = ''

  constructor({ config, created, last }: StreamOrigin, store: MessageStore, services: StreamServices) {
    this.#config = config
    this.created = created
    this.#store = store
    this.#services = services
    this.#lastSeq = last.seq
    this.#lastTime = last.time
    this.#load()
  }

  get config(): StreamConfig {
    return this.#config
  }

  /** Searches in the stream's messages. */
  get index(): Pick<MessageIndex, 'next' | 'last' | 'lastPerSubject' | 'since' | 'count' | 'subjectCounts'> {
    return this.#index
  }

  get firstSeq(): number {
    return this.#index.first?.seq ?? (this.#lastSeq === 0 ? 0 : this.#lastSeq + 1)
  }

  get lastSeq(): number {
    return this.#lastSeq
  }

  get firstTime(): number {
    return this.#index.first?.time ?? 0
  }

  get lastTime(): number {
    return this.#lastTime
  }

  get messages(): number {
    return this.#index.size
  }

  get bytes(): number {
    return this.#index.bytes
  }

  get subjectCount(): number {
    return this.#index.subjectCount
  }

  /** Number of missing sequences between the first message and the last one. */
  get deletedCount(): number {
    return this.#index.size === 0 ? 0 : this.#lastSeq - this.firstSeq + 1 - this.#index.size
  }

  deleted(): Iterable<number> {
    return this.#index.size === 0 ? [] : this.#index.gaps(this.#lastSeq)
  }

  /**
   * Stores a message, if the configuration and the publisher's conditions allow.
   * @throws ApiError
   */
  append({ subject, headers, payload }: UpstreamMessage): Stored {
    const now = Math.max(this.#services.clock(), this.#lastTime)
    this.expire(now)
    const rules = readRules(headers)
    const repeated = this.#check(rules, subject, now)
    if (repeated !== undefined) return { seq: repeated, duplicate: true }
    const size = sizeOf(subject, headers?.length ?? 0, payload.length)
    checkLimits(this.#config, this.#index, { subject, size, bytes: (headers?.length ?? 0) + payload.length })
    this.#makeRoom(size)
    const seq = this.#lastSeq + 1
    // Copies: the bytes may be a view of a larger buffer, or be reused.
    const record: StoreRecord = {
      seq,
      time: now,
      subject,
      payload: payload.slice(),
      ...(headers && { headers: headers.slice() }),
    }
    try {
      this.#store.append(record)
    } catch (error) {
      throw apiErrors.storeFailed(`the store failed: ${error instanceof Error ? error.message : error}`)
    }
    this.#lastSeq = seq
    this.#lastTime = now
    if (rules.id !== undefined) this.#remember(rules.id, seq, now)
    this.#lastId = rules.id ?? ''
    const entry: Entry = { seq, time: now, subject, size, removed: false }
    this.#add(entry)
    this.#ttls.add(entry, rules.ttl ?? 0)
    this.#rollUp(rules.rollup, entry)
    this.#enforceLimits(subject)
    for (const observer of this.observers) observer.added(entry)
    return { seq, duplicate: false }
  }

  read(seq: number): StoreRecord | undefined {
    return this.#index.get(seq) && this.#store.read(seq)
  }

  /** Removes one message. Returns whether it existed. */
  delete(seq: number): boolean {
    const entry = this.#index.get(seq)
    if (entry) this.#remove([entry])
    return entry !== undefined
  }

  /** Removes messages of the filter before sequence `before`, except for the last `keep`. Returns their number. */
  purge(
    filter: Filter,
    { before = Number.POSITIVE_INFINITY, keep = 0 }: { before?: number; keep?: number } = {},
  ): number {
    const purged: Entry[] = []
    for (
      let entry = this.#index.next(0, filter);
      entry && entry.seq < before;
      entry = this.#index.next(entry.seq + 1, filter)
    )
      purged.push(entry)
    if (keep > 0) purged.splice(Math.max(purged.length - keep, 0))
    const jumps = filter.filters.length === 0 && Number.isFinite(before) && before > this.#lastSeq + 1
    if (jumps) this.#lastSeq = before - 1
    if (purged.length > 0 || jumps) this.#remove(purged, jumps)
    return purged.length
  }

  reconfigure(config: StreamConfig): void {
    this.#config = config
    for (const subject of [...this.#index.subjects]) this.#enforceLimits(subject)
    this.expire(this.#services.clock())
  }

  /** Removes messages older than `max_age`, or than their own TTL. */
  expire(now: number): void {
    const { max_age, duplicate_window } = this.#config
    this.#forgetIds(now - duplicate_window / NS_PER_MS)
    const expired = this.#ttls.expired(now)
    if (expired.length > 0) this.#remove(expired)
    if (max_age === 0) return
    const oldest = now - max_age / NS_PER_MS
    const aged = this.#index.takeWhile(({ time }) => time <= oldest).filter((entry) => !this.#ttls.isForever(entry))
    if (aged.length > 0) this.#remove(aged)
  }

  /** Releases the memory of a deleted stream. */
  release(): void {
    this.#services.count(-this.#index.size * INDEX_COST - this.#index.bytes - this.#ids.bytes)
  }

  #load(): void {
    const now = this.#services.clock()
    for (const { seq, time, subject, headers, payload } of this.#store.load()) {
      const entry: Entry = { seq, time, subject, size: sizeOf(subject, headers, payload), removed: false }
      this.#add(entry)
      if (this.#config.allow_msg_ttl && headers > 0)
        this.#ttls.add(entry, readRules(this.#store.read(seq)?.headers).ttl ?? 0)
      this.#lastSeq = Math.max(this.#lastSeq, seq)
      this.#lastTime = Math.max(this.#lastTime, time)
    }
    const windowStart = now - this.#config.duplicate_window / NS_PER_MS
    for (let entry = this.#index.since(windowStart); entry; entry = this.#index.find(entry.seq + 1)) {
      const { id } = readRules(this.#store.read(entry.seq)?.headers)
      if (id !== undefined) this.#remember(id, entry.seq, entry.time)
      this.#lastId = id ?? ''
    }
    // The process may have ended before it enforced limits for the last message.
    for (const subject of [...this.#index.subjects]) this.#enforceLimits(subject)
    this.expire(now)
  }

  /** Returns the sequence of an earlier message with the same id. That comes first: a publisher may retry after a lost answer. */
  #check(rules: PublishRules, subject: string, now: number): number | undefined {
    const { name, allow_rollup_hdrs, allow_msg_ttl = false, deny_purge, duplicate_window } = this.#config
    checkStream(rules, name)
    const repeated = rules.id === undefined ? undefined : this.#ids.find(rules.id)
    if (repeated !== undefined) return repeated
    checkExpectations(rules, {
      name,
      lastSeq: this.#lastSeq,
      lastSubjectSeq: this.#index.ofSubject(subject)?.last?.seq ?? 0,
      lastId: this.#lastId,
      allowsRollup: allow_rollup_hdrs && !deny_purge,
      allowsTtl: allow_msg_ttl,
    })
    this.#forgetIds(now - duplicate_window / NS_PER_MS)
    return undefined
  }

  /** Throws ApiError if the broker has no room for a message. */
  #makeRoom(size: number): void {
    if (this.#services.hasRoom(size + INDEX_COST)) return
    throw apiErrors.insufficientResources(
      'the embedded broker is full: purge or limit its streams (max_bytes, max_age), or raise its option maxBytes',
    )
  }

  #add(entry: Entry): void {
    this.#index.add(entry)
    this.#services.count(entry.size + INDEX_COST)
  }

  #rollUp(rollup: string | undefined, { subject, seq }: Entry): void {
    if (rollup === undefined) return
    const isAll = rollup.toLowerCase() === 'all'
    const log = isAll ? this.#index : this.#index.ofSubject(subject)
    const replaced: Entry[] = []
    for (let entry = log?.first; entry && entry.seq < seq; entry = log?.find(entry.seq + 1)) replaced.push(entry)
    if (replaced.length > 0) this.#remove(replaced)
  }

  #enforceLimits(subject: string): void {
    const { max_msgs, max_bytes, max_msgs_per_subject } = this.#config
    const log = this.#index.ofSubject(subject)
    while (log && max_msgs_per_subject > 0 && log.size > max_msgs_per_subject) this.#remove([log.first as Entry])
    while (max_msgs > 0 && this.#index.size > max_msgs) this.#remove([this.#index.first as Entry])
    while (max_bytes > 0 && this.bytes > max_bytes) this.#remove([this.#index.first as Entry])
  }

  /** @param entries by ascending sequence @param jumps whether the last sequence has changed without a message */
  #remove(entries: readonly Entry[], jumps = false): void {
    const takesLast = jumps || entries.at(-1)?.seq === this.#lastSeq
    this.#store.remove(
      entries.map(({ seq }) => seq),
      takesLast ? { seq: this.#lastSeq, time: this.#lastTime } : undefined,
    )
    for (const entry of entries) {
      this.#index.remove(entry)
      this.#ttls.remove(entry)
      this.#services.count(-entry.size - INDEX_COST)
    }
    for (const observer of this.observers) for (const entry of entries) observer.removed(entry)
  }

  #remember(id: string, seq: number, time: number): void {
    this.#countIds(() => this.#ids.add(id, seq, time))
  }

  #forgetIds(before: number): void {
    this.#countIds(() => this.#ids.forget(before))
  }

  #countIds(change: () => void): void {
    const before = this.#ids.bytes
    change()
    this.#services.count(this.#ids.bytes - before)
  }
}

function sizeOf(subject: string, headers: number, payload: number): number {
  return RECORD + subject.length + (headers > 0 ? HEADER_LENGTH + headers : 0) + payload
}
