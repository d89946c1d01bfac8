import type { UpstreamMessage } from '../../upstream/upstream.ts'
import { type ApiError, apiErrors } from './api-error.ts'
import { type Entry, EntryLog } from './entry-log.ts'
import type { Filter } from './filter.ts'
import { MessageIds } from './message-ids.ts'
import { type PublishRules, readRules } from './publish-rules.ts'
import type { MessageStore, StoreRecord } from './store.ts'
import type { StreamConfig } from './stream-config.ts'

/** Who wants to know what comes into a stream, and what leaves it. */
export interface StreamObserver {
  added(entry: Entry): void
  removed(entry: Entry): void
}

/** What the streams of a broker share. */
export interface StreamSurroundings {
  readonly clock: () => number
  /** Whether the broker has room for so many bytes more; if not, a message is refused. */
  hasRoom(bytes: number): boolean
  /** Counts what a stream takes in memory, or gives back. */
  count(bytes: number): void
}

/** The place of a message that was stored, or of the one that it repeats. */
export interface Stored {
  readonly seq: number
  readonly duplicate: boolean
}

const NS_PER_MS = 1_000_000
/** What the index of a message takes in memory, roughly; also in a store on disk. */
const INDEX_COST = 400
/** What nats-server's file store adds to each message, so that `max_bytes` means the same. */
const RECORD = 30
const HEADER_LENGTH = 4

/** Messages by sequence, with the limits of a stream's configuration. Everything happens at once, within the call. */
export class Stream {
  readonly created: string
  readonly observers: Set<StreamObserver> = new Set()
  #config: StreamConfig
  readonly #store: MessageStore
  readonly #around: StreamSurroundings
  readonly #log = new EntryLog()
  readonly #subjects = new Map<string, EntryLog>()
  readonly #ids = new MessageIds()
  #lastSeq: number
  #lastTime: number
  #lastId = ''
  #bytes = 0

  constructor(
    config: StreamConfig,
    created: string,
    store: MessageStore,
    around: StreamSurroundings,
    last: { readonly seq: number; readonly time: number } = { seq: (config.first_seq ?? 1) - 1, time: 0 },
  ) {
    this.#config = config
    this.created = created
    this.#store = store
    this.#around = around
    this.#lastSeq = last.seq
    this.#lastTime = last.time
    this.#load()
  }

  get config(): StreamConfig {
    return this.#config
  }

  get firstSeq(): number {
    return this.#log.first?.seq ?? (this.#lastSeq === 0 ? 0 : this.#lastSeq + 1)
  }

  get lastSeq(): number {
    return this.#lastSeq
  }

  get firstTime(): number {
    return this.#log.first?.time ?? 0
  }

  get lastTime(): number {
    return this.#lastTime
  }

  get messages(): number {
    return this.#log.size
  }

  get bytes(): number {
    return this.#bytes
  }

  get subjectCount(): number {
    return this.#subjects.size
  }

  /** How many messages each subject has. */
  *subjectCounts(): Iterable<[subject: string, messages: number]> {
    for (const [subject, log] of this.#subjects) yield [subject, log.size]
  }

  /** How many sequences between the first and the last are gone. */
  get deletedCount(): number {
    return this.#log.size === 0 ? 0 : this.#lastSeq - this.firstSeq + 1 - this.#log.size
  }

  *deleted(): Iterable<number> {
    let next = this.firstSeq
    for (let entry = this.#log.first; entry; entry = this.#log.find(entry.seq + 1)) {
      for (; next < entry.seq; next++) yield next
      next = entry.seq + 1
    }
    if (this.#log.size > 0) for (; next <= this.#lastSeq; next++) yield next
  }

  /**
   * Keeps a message, if the configuration and the publisher's own conditions allow.
   * @throws ApiError
   */
  append({ subject, headers, payload }: UpstreamMessage): Stored {
    const now = Math.max(this.#around.clock(), this.#lastTime)
    this.expire(now)
    const rules = readRules(headers)
    const known = this.#check(rules, subject, now)
    if (known !== undefined) return { seq: known, duplicate: true }
    const size = sizeOf(subject, headers?.length ?? 0, payload.length)
    this.#makeRoom(subject, size, (headers?.length ?? 0) + payload.length)
    const seq = this.#lastSeq + 1
    // Copies: what a connection received may lie in a buffer that is much larger, or used again.
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
    this.#rollUp(rules.rollup, subject, seq)
    this.#enforceLimits(subject)
    for (const observer of this.observers) observer.added(entry)
    return { seq, duplicate: false }
  }

  read(seq: number): StoreRecord | undefined {
    return this.#log.get(seq) && this.#store.read(seq)
  }

  /** The first message of the filter with that sequence or a later one. */
  next(seq: number, { literal, matches }: Filter): Entry | undefined {
    if (literal !== undefined) return this.#subjects.get(literal)?.find(seq)
    return this.#log.find(seq, matches && (({ subject }) => matches(subject)))
  }

  last({ literal, matches }: Filter): Entry | undefined {
    if (literal !== undefined) return this.#subjects.get(literal)?.last
    return matches ? this.#log.findLast(({ subject }) => matches(subject)) : this.#log.last
  }

  /** The last message of each subject of the filter, by sequence. */
  lastPerSubject({ literal, matches }: Filter): Entry[] {
    const logs = literal !== undefined ? [this.#subjects.get(literal)] : this.#subjects.values()
    const found: Entry[] = []
    for (const log of logs) {
      const last = log?.last
      if (last && (!matches || matches(last.subject))) found.push(last)
    }
    return found.sort((a, b) => a.seq - b.seq)
  }

  /** The first message that came at that time or later, whatever its subject. */
  since(time: number): Entry | undefined {
    return this.#log.since(time)
  }

  count(seq: number, { literal, matches }: Filter): number {
    if (literal !== undefined) return this.#subjects.get(literal)?.count(seq) ?? 0
    return this.#log.count(seq, matches && (({ subject }) => matches(subject)))
  }

  /** Removes one message. Returns whether it was there. */
  delete(seq: number): boolean {
    const entry = this.#log.get(seq)
    if (entry) this.#remove([entry])
    return entry !== undefined
  }

  /** Removes the filter's messages below `before`, and all but the `keep` last ones. Returns how many went. */
  purge(
    filter: Filter,
    { before = Number.POSITIVE_INFINITY, keep = 0 }: { before?: number; keep?: number } = {},
  ): number {
    const going: Entry[] = []
    for (let entry = this.next(0, filter); entry && entry.seq < before; entry = this.next(entry.seq + 1, filter)) {
      going.push(entry)
    }
    if (keep > 0) going.splice(Math.max(going.length - keep, 0))
    const jumps = filter.filters.length === 0 && Number.isFinite(before) && before > this.#lastSeq + 1
    if (jumps) this.#lastSeq = before - 1
    if (going.length > 0 || jumps) this.#remove(going, jumps)
    return going.length
  }

  reconfigure(config: StreamConfig): void {
    this.#config = config
    for (const subject of [...this.#subjects.keys()]) this.#enforceLimits(subject)
    this.expire(this.#around.clock())
  }

  /** Removes what is too old by now. */
  expire(now: number): void {
    const { max_age, duplicate_window } = this.#config
    this.#forgetIds(now - duplicate_window / NS_PER_MS)
    if (max_age === 0) return
    const oldest = now - max_age / NS_PER_MS
    const going: Entry[] = []
    for (let entry = this.#log.first; entry && entry.time <= oldest; entry = this.#log.find(entry.seq + 1))
      going.push(entry)
    if (going.length > 0) this.#remove(going)
  }

  /** Gives back what it takes of the broker's memory. */
  release(): void {
    this.#around.count(-this.#log.size * INDEX_COST - this.#bytes - this.#ids.bytes)
  }

  #load(): void {
    const now = this.#around.clock()
    const withinWindow = now - this.#config.duplicate_window / NS_PER_MS
    for (const { seq, time, subject, headers, payload } of this.#store.load()) {
      this.#add({ seq, time, subject, size: sizeOf(subject, headers, payload), removed: false })
      this.#lastSeq = Math.max(this.#lastSeq, seq)
      this.#lastTime = Math.max(this.#lastTime, time)
    }
    for (let entry = this.#log.since(withinWindow); entry; entry = this.#log.find(entry.seq + 1)) {
      const { id } = readRules(this.#store.read(entry.seq)?.headers)
      if (id !== undefined) this.#remember(id, entry.seq, entry.time)
      this.#lastId = id ?? ''
    }
    // The process may have ended between a message and what had to go because of it.
    for (const subject of [...this.#subjects.keys()]) this.#enforceLimits(subject)
    this.expire(now)
  }

  /** Returns the sequence of the message that this one repeats. */
  #check(rules: PublishRules, subject: string, now: number): number | undefined {
    const { id, stream, lastSeq, lastSubjectSeq, lastId, rollup, unsupported } = rules
    if (unsupported !== undefined)
      throw apiErrors.storeFailed(`the embedded broker does not support the header ${unsupported}: use nats-server`)
    if (stream !== undefined && stream !== this.#config.name) throw apiErrors.expectedStream()
    // Before the conditions: somebody who asks again after a lost answer is told that it was stored.
    const known = id === undefined ? undefined : this.#ids.find(id)
    if (known !== undefined) return known
    if (lastSeq !== undefined && lastSeq !== this.#lastSeq) throw apiErrors.wrongLastSequence(this.#lastSeq)
    const onSubject = this.#subjects.get(subject)?.last?.seq ?? 0
    if (lastSubjectSeq !== undefined && lastSubjectSeq !== onSubject) throw apiErrors.wrongLastSequence(onSubject)
    if (lastId !== undefined && lastId !== this.#lastId) throw apiErrors.wrongLastMessageId(this.#lastId)
    if (rollup !== undefined) {
      if (!this.#config.allow_rollup_hdrs || this.#config.deny_purge) throw apiErrors.rollupNotPermitted()
      if (!/^(sub|all)$/i.test(rollup)) throw apiErrors.rollupInvalid()
    }
    this.#forgetIds(now - this.#config.duplicate_window / NS_PER_MS)
    return undefined
  }

  /** Refuses a message that the stream or the broker has no room for. */
  #makeRoom(subject: string, size: number, bytes: number): void {
    const { max_msg_size, max_msgs, max_bytes, max_msgs_per_subject, discard } = this.#config
    if (max_msg_size > 0 && bytes > max_msg_size) throw apiErrors.messageTooLarge()
    if (max_bytes > 0 && size > max_bytes) throw apiErrors.storeFailed('maximum bytes exceeded')
    const log = this.#subjects.get(subject)
    const replaces = max_msgs_per_subject > 0 && log !== undefined && log.size >= max_msgs_per_subject
    if (discard === 'new') {
      if (replaces && this.#config.discard_new_per_subject)
        throw apiErrors.storeFailed('maximum messages per subject exceeded')
      const freed = replaces ? (log.first?.size ?? 0) : 0
      if (max_msgs > 0 && this.#log.size >= max_msgs && !replaces)
        throw apiErrors.storeFailed('maximum messages exceeded')
      if (max_bytes > 0 && this.#bytes + size - freed > max_bytes) throw apiErrors.storeFailed('maximum bytes exceeded')
    }
    if (this.#around.hasRoom(size + INDEX_COST)) return
    throw this.#full()
  }

  #full(): ApiError {
    return apiErrors.insufficientResources(
      'the embedded broker is full: purge or limit its streams (max_bytes, max_age), or raise its option maxBytes',
    )
  }

  #add(entry: Entry): void {
    this.#log.add(entry)
    let log = this.#subjects.get(entry.subject)
    if (!log) {
      log = new EntryLog()
      this.#subjects.set(entry.subject, log)
    }
    log.add(entry)
    this.#bytes += entry.size
    this.#around.count(entry.size + INDEX_COST)
  }

  #rollUp(rollup: string | undefined, subject: string, seq: number): void {
    if (rollup === undefined) return
    const log = rollup.toLowerCase() === 'all' ? this.#log : this.#subjects.get(subject)
    const going: Entry[] = []
    for (let entry = log?.first; entry && entry.seq < seq; entry = log?.find(entry.seq + 1)) going.push(entry)
    if (going.length > 0) this.#remove(going)
  }

  #enforceLimits(subject: string): void {
    const { max_msgs, max_bytes, max_msgs_per_subject } = this.#config
    const log = this.#subjects.get(subject)
    while (log && max_msgs_per_subject > 0 && log.size > max_msgs_per_subject) this.#remove([log.first as Entry])
    while (max_msgs > 0 && this.#log.size > max_msgs) this.#remove([this.#log.first as Entry])
    while (max_bytes > 0 && this.#bytes > max_bytes) this.#remove([this.#log.first as Entry])
  }

  /** By ascending sequence. */
  #remove(entries: readonly Entry[], jumps = false): void {
    const takesLast = jumps || entries.at(-1)?.seq === this.#lastSeq
    this.#store.remove(
      entries.map(({ seq }) => seq),
      takesLast ? { seq: this.#lastSeq, time: this.#lastTime } : undefined,
    )
    for (const entry of entries) {
      entry.removed = true
      this.#log.forgot()
      const log = this.#subjects.get(entry.subject)
      log?.forgot()
      if (log?.size === 0) this.#subjects.delete(entry.subject)
      this.#bytes -= entry.size
      this.#around.count(-entry.size - INDEX_COST)
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
    this.#around.count(this.#ids.bytes - before)
  }
}

function sizeOf(subject: string, headers: number, payload: number): number {
  return RECORD + subject.length + (headers > 0 ? HEADER_LENGTH + headers : 0) + payload
}
