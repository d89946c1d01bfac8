import { isSubject } from '../../../sdk/wire/subject.ts'
import type { UpstreamMessage } from '../../upstream/upstream.ts'
import { checkExpectations, checkLimits, checkStream, type PublishRules, readRules } from './admission.ts'
import { apiErrors } from './api-error.ts'
import { Batches, checkBatch, type RuledMessage } from './batches.ts'
import type { Entry } from './entry-log.ts'
import type { Filter } from './filter.ts'
import { expiryMarker, Lifetimes } from './lifetimes.ts'
import { MessageIds } from './message-ids.ts'
import { MessageIndex } from './message-index.ts'
import { checkSchedule, dueTime, producedHeaders } from './schedule.ts'
import type { StreamConfig } from './stream-config.ts'
import type { MessageStore, StoreRecord } from './stream-store.ts'
import { WakeTimer } from './wake-timer.ts'

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
  /** The batch that the message committed. */
  readonly batch?: { readonly id: string; readonly count: number }
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
/** When a schedule is tried again that the stream could not store, in ms. */
const RETRY = 1_000

/** Messages by sequence, with the limits of a stream's configuration. All calls are synchronous. */
export class Stream {
  readonly created: string
  readonly observers: Set<StreamObserver> = new Set()
  #config: StreamConfig
  readonly #store: MessageStore
  readonly #services: StreamServices
  readonly #index = new MessageIndex()
  readonly #ids = new MessageIds()
  readonly #lifetimes = new Lifetimes()
  readonly #batches: Batches
  readonly #timer = new WakeTimer(() => this.#wake())
  #lastSeq: number
  #lastTime: number
  #lastId = ''

  constructor({ config, created, last }: StreamOrigin, store: MessageStore, services: StreamServices) {
    this.#config = config
    this.created = created
    this.#store = store
    this.#services = services
    this.#batches = new Batches((bytes) => {
      if (bytes > 0) this.#makeRoom(bytes, 0)
      services.count(bytes)
    })
    this.#lastSeq = last.seq
    this.#lastTime = last.time
    this.#load()
  }

  get config(): StreamConfig {
    return this.#config
  }

  /** Subjects that its messages may have. Undefined if it copies messages of other streams. */
  get knownSubjects(): readonly string[] | undefined {
    return this.#config.sources ? undefined : this.#config.subjects
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
   * Stores a message, if the configuration and the publisher's conditions allow. Undefined for a message of a batch that is
   * not committed yet.
   * @throws ApiError
   */
  append(message: UpstreamMessage): Stored | undefined {
    const now = this.#now()
    this.expire(now)
    const rules = readRules(message.headers)
    if (!rules.batch) return this.#appendOne({ message, rules }, now)
    if (!this.#config.allow_atomic) throw apiErrors.batchDisabled()
    const { id } = rules.batch
    const batch = this.#batches.take({ message, rules }, rules.batch, now)
    return batch && { seq: this.#appendBatch(batch, now), duplicate: false, batch: { id, count: batch.length } }
  }

  /**
   * Stores a copy of another stream's message. Of its conditions, only the id and the rollup have an effect, and the TTL with
   * `allow_msg_ttl`.
   * @throws ApiError
   */
  appendCopy(message: UpstreamMessage): Stored {
    const now = this.#now()
    this.expire(now)
    const { id, rollup, ttl } = readRules(message.headers)
    const rules = {
      ...(id !== undefined && { id }),
      ...(rollup !== undefined && { rollup }),
      ...(ttl !== undefined && this.#config.allow_msg_ttl && { ttl }),
    }
    return this.#appendOne({ message, rules }, now)
  }

  #now(): number {
    return Math.max(this.#services.clock(), this.#lastTime)
  }

  #appendOne(given: RuledMessage, now: number): Stored {
    const { message, rules } = given
    const repeated = this.#check(rules, message.subject, now)
    if (repeated !== undefined) return { seq: repeated, duplicate: true }
    this.#checkLimits([given])
    return { seq: this.#commit([given], now), duplicate: false }
  }

  /** Stores all messages or none. Conditions are compared with the stream before the batch. */
  #appendBatch(batch: readonly RuledMessage[], now: number): number {
    checkBatch(batch, this.#lastSeq)
    for (const { message, rules } of batch)
      if (this.#check(rules, message.subject, now) !== undefined) throw apiErrors.batchDuplicate()
    this.#checkLimits(batch)
    return this.#commit(batch, now)
  }

  /** Throws ApiError. */
  #checkLimits(all: readonly RuledMessage[]): void {
    const sized = all.map(({ message: { subject, headers, payload } }) => ({
      subject,
      size: sizeOf(subject, headers?.length ?? 0, payload.length),
      bytes: (headers?.length ?? 0) + payload.length,
    }))
    for (const [index, one] of sized.entries()) checkLimits(this.#config, this.#index, one, sized.slice(0, index))
    this.#makeRoom(
      sized.reduce((sum, { size }) => sum + size, 0),
      sized.length,
    )
  }

  /** Stores messages. Returns the sequence of the last. Throws ApiError if the store fails. */
  #commit(all: readonly RuledMessage[], now: number): number {
    // Copies: the bytes may be a view of a larger buffer, or be reused.
    const records = all.map(
      ({ message: { subject, headers, payload } }, index): StoreRecord => ({
        seq: this.#lastSeq + 1 + index,
        time: now,
        subject,
        payload: payload.slice(),
        ...(headers && { headers: headers.slice() }),
      }),
    )
    try {
      this.#store.append(records)
    } catch (error) {
      throw apiErrors.storeFailed(`the store failed: ${error instanceof Error ? error.message : error}`)
    }
    for (const [index, { rules }] of all.entries()) this.#stored(records[index] as StoreRecord, rules)
    this.#plan()
    return this.#lastSeq
  }

  #stored({ seq, time, subject, headers, payload }: StoreRecord, rules: PublishRules): void {
    this.#lastSeq = seq
    this.#lastTime = time
    if (rules.id !== undefined) this.#remember(rules.id, seq, time)
    this.#lastId = rules.id ?? ''
    const size = sizeOf(subject, headers?.length ?? 0, payload.length)
    const entry: Entry = { seq, time, subject, size, removed: false }
    this.#add(entry)
    this.#lifetimes.add(entry, rules, this.#config)
    this.#rollUp(rules.schedule ? 'sub' : rules.rollup, entry)
    if (rules.scheduleNext === 'purge' && rules.scheduler !== undefined) this.#purgeSubject(rules.scheduler)
    this.#enforceLimits(subject)
    for (const observer of this.observers) observer.added(entry)
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
    this.#plan()
  }

  /** Removes messages older than `max_age`, or than their own TTL. */
  expire(now: number): void {
    this.#forgetIds(now - this.#config.duplicate_window / NS_PER_MS)
    this.#batches.expire(now)
    const expired = this.#lifetimes.expired(this.#index, this.#config, now)
    if (expired.length === 0) return
    const values = this.#lifetimes.valuesOf(expired)
    this.#remove(expired)
    const ttl = (this.#config.subject_delete_marker_ttl ?? 0) / NS_PER_MS
    const empty = ttl > 0 ? [...values].filter((subject) => !this.#index.ofSubject(subject)) : []
    if (empty.length > 0)
      this.#commit(
        empty.map((subject) => expiryMarker(subject, ttl)),
        now,
      )
  }

  /** Publishes the messages of the schedules that are due. */
  #publishDue(now: number): void {
    for (const [entry, at] of this.#lifetimes.schedules.due(now)) {
      const record = entry.removed ? undefined : this.#store.read(entry.seq)
      const { schedule } = readRules(record?.headers)
      if (!record || !schedule?.target) {
        this.#lifetimes.schedules.remove(entry)
        continue
      }
      const repeats = dueTime(schedule, at)?.repeats
      const following = repeats ? (dueTime(schedule, Math.max(at, now))?.at ?? Number.POSITIVE_INFINITY) : undefined
      const last = schedule.source === undefined ? undefined : this.#index.ofSubject(schedule.source)?.last
      const { headers: block, payload } = (last && this.#store.read(last.seq)) ?? record
      const headers = producedHeaders(block, schedule, record.subject, following)
      const produced = { message: { subject: schedule.target, headers, payload }, rules: readRules(headers) }
      try {
        this.#checkLimits([produced])
        this.#commit([produced], now)
        if (following === undefined) this.#lifetimes.schedules.remove(entry)
        else this.#lifetimes.schedules.set(entry, following)
      } catch {
        // The stream is full. The schedule stays.
        this.#lifetimes.schedules.set(entry, now + RETRY)
      }
    }
  }

  #wake(): void {
    const now = this.#now()
    this.expire(now)
    this.#publishDue(now)
    this.#plan()
  }

  #plan(): void {
    this.#timer.set(this.#lifetimes.next(this.#index, this.#config), this.#services.clock())
  }

  /** Ends the timer. */
  stop(): void {
    this.#timer.stop()
  }

  /** Releases the memory of a deleted stream. */
  release(): void {
    this.stop()
    this.#batches.clear()
    this.#services.count(-this.#index.size * INDEX_COST - this.#index.bytes - this.#ids.bytes)
  }

  #load(): void {
    const now = this.#services.clock()
    for (const { seq, time, subject, headers, payload } of this.#store.load()) {
      const entry: Entry = { seq, time, subject, size: sizeOf(subject, headers, payload), removed: false }
      this.#add(entry)
      if ((this.#config.allow_msg_ttl || this.#config.allow_msg_schedules) && headers > 0)
        this.#lifetimes.add(entry, readRules(this.#store.read(seq)?.headers), this.#config)
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
    this.#plan()
  }

  /** Returns the sequence of an earlier message with the same id. That comes first: a publisher may retry after a lost answer. */
  #check(rules: PublishRules, subject: string, now: number): number | undefined {
    const { name, allow_rollup_hdrs, allow_msg_ttl = false, deny_purge, duplicate_window } = this.#config
    checkStream(rules, name)
    const repeated = rules.id === undefined ? undefined : this.#ids.find(rules.id)
    if (repeated !== undefined) return repeated
    this.#checkSchedule(rules, subject, now)
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

  #checkSchedule({ schedule, scheduleNext, scheduler = '', rollup }: PublishRules, subject: string, now: number): void {
    if (schedule) checkSchedule(schedule, subject, { rollup, config: this.#config, now })
    if (scheduleNext === undefined) return
    if (scheduleNext !== 'purge' || scheduler === subject || !isSubject(scheduler)) throw apiErrors.schedulerInvalid()
    if (!this.#config.allow_msg_schedules) throw apiErrors.schedulesDisabled()
  }

  /** Throws ApiError if the broker has no room for messages. @param size of all of them */
  #makeRoom(size: number, messages: number): void {
    if (this.#services.hasRoom(size + messages * INDEX_COST)) return
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

  #purgeSubject(subject: string): void {
    const entries: Entry[] = []
    const log = this.#index.ofSubject(subject)
    for (let entry = log?.first; entry; entry = log?.find(entry.seq + 1)) entries.push(entry)
    if (entries.length > 0) this.#remove(entries)
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
      this.#lifetimes.remove(entry)
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
