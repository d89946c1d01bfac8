import { type Entry, EntryLog } from './entry-log.ts'
import type { Filter } from './filter.ts'

/** The messages of a stream without their bytes, by sequence and by subject. */
export class MessageIndex {
  readonly #log = new EntryLog()
  readonly #subjects = new Map<string, EntryLog>()
  #bytes = 0

  get first(): Entry | undefined {
    return this.#log.first
  }

  /** Number of messages. */
  get size(): number {
    return this.#log.size
  }

  /** Sizes of all messages, in bytes. */
  get bytes(): number {
    return this.#bytes
  }

  get subjectCount(): number {
    return this.#subjects.size
  }

  get subjects(): Iterable<string> {
    return this.#subjects.keys()
  }

  /** Number of messages by subject. */
  *subjectCounts(): Iterable<[subject: string, messages: number]> {
    for (const [subject, log] of this.#subjects) yield [subject, log.size]
  }

  /** All messages of a subject. */
  ofSubject(subject: string): EntryLog | undefined {
    return this.#subjects.get(subject)
  }

  add(entry: Entry): void {
    this.#log.add(entry)
    let log = this.#subjects.get(entry.subject)
    if (!log) {
      log = new EntryLog()
      this.#subjects.set(entry.subject, log)
    }
    log.add(entry)
    this.#bytes += entry.size
  }

  remove(entry: Entry): void {
    entry.removed = true
    this.#log.forgot()
    const log = this.#subjects.get(entry.subject)
    log?.forgot()
    if (log?.size === 0) this.#subjects.delete(entry.subject)
    this.#bytes -= entry.size
  }

  get(seq: number): Entry | undefined {
    return this.#log.get(seq)
  }

  /** The first message with that sequence or a later one. */
  find(seq: number): Entry | undefined {
    return this.#log.find(seq)
  }

  /** The first message that was stored at that time or later. */
  since(time: number): Entry | undefined {
    return this.#log.since(time)
  }

  /** The first message of the filter with that sequence or a later one. */
  next(seq: number, { literal, matches }: Filter): Entry | undefined {
    if (literal !== undefined) return this.#subjects.get(literal)?.find(seq)
    return this.#log.find(seq, matches && (({ subject }) => matches(subject)))
  }

  /** The last message of the filter. */
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

  /** Number of messages of the filter with that sequence or a later one. */
  count(seq: number, { literal, matches }: Filter): number {
    if (literal !== undefined) return this.#subjects.get(literal)?.count(seq) ?? 0
    return this.#log.count(seq, matches && (({ subject }) => matches(subject)))
  }

  /** All messages from the first one, while `test` holds. */
  takeWhile(test: (entry: Entry) => boolean): Entry[] {
    const taken: Entry[] = []
    for (let entry = this.#log.first; entry && test(entry); entry = this.#log.find(entry.seq + 1)) taken.push(entry)
    return taken
  }

  /** Sequences without a message, from the first message to `lastSeq`. */
  *gaps(lastSeq: number): Iterable<number> {
    let next = this.#log.first?.seq ?? lastSeq + 1
    for (let entry = this.#log.first; entry; entry = this.#log.find(entry.seq + 1)) {
      for (; next < entry.seq; next++) yield next
      next = entry.seq + 1
    }
    for (; next <= lastSeq; next++) yield next
  }
}
