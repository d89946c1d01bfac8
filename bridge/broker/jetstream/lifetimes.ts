import { encodeHeaders } from '../../../sdk/wire/headers.ts'
import type { PublishRules } from './admission.ts'
import type { RuledMessage } from './batches.ts'
import { NO_BYTES } from './broker-port.ts'
import type { Entry } from './entry-log.ts'
import type { MessageIndex } from './message-index.ts'
import { MessageTtls } from './message-ttl.ts'
import { dueTime } from './schedule.ts'
import type { StreamConfig } from './stream-config.ts'
import { Timetable } from './timetable.ts'

const NS_PER_MS = 1_000_000

/** When messages of a stream expire, and when its schedules are due. */
export class Lifetimes {
  readonly schedules = new Timetable()
  readonly #ttls = new MessageTtls()
  /** Messages that mark a removal. */
  readonly #markers = new Set<Entry>()

  /** Adds a message. */
  add(entry: Entry, { ttl = 0, isMarker, schedule }: PublishRules, config: StreamConfig): void {
    const { max_msgs_per_subject, subject_delete_marker_ttl = 0 } = config
    // As nats-server: a marker must not outlive a later value of the subject.
    const least = max_msgs_per_subject === 1 ? 0 : subject_delete_marker_ttl / NS_PER_MS
    this.#ttls.add(entry, ttl === 0 ? 0 : Math.max(ttl, least))
    if (isMarker) this.#markers.add(entry)
    const due = schedule && dueTime(schedule, entry.time)
    if (due) this.schedules.set(entry, due.at)
  }

  remove(entry: Entry): void {
    this.#ttls.remove(entry)
    this.#markers.delete(entry)
    this.schedules.remove(entry)
  }

  /** Messages that are older than `max_age`, or than their own TTL. */
  expired(index: MessageIndex, { max_age }: StreamConfig, now: number): Entry[] {
    const expired = this.#ttls.expired(now)
    if (max_age === 0) return expired
    const oldest = now - max_age / NS_PER_MS
    const aged = index.takeWhile(({ time }) => time <= oldest).filter((entry) => !this.#ttls.isForever(entry))
    return [...new Set([...expired, ...aged])].sort((a, b) => a.seq - b.seq)
  }

  /** Subjects of messages that are not markers themselves. */
  valuesOf(entries: readonly Entry[]): Set<string> {
    return new Set(entries.filter((entry) => !this.#markers.has(entry)).map(({ subject }) => subject))
  }

  /**
   * When something happens that subscribers get, in ms since 1970: a schedule is due, or an expired message gets a marker.
   * Other messages expire when they are read.
   */
  next(index: MessageIndex, { max_age, subject_delete_marker_ttl }: StreamConfig): number {
    if (!subject_delete_marker_ttl) return this.schedules.next
    const oldest = max_age > 0 ? index.first : undefined
    const aged = oldest ? oldest.time + max_age / NS_PER_MS : Number.POSITIVE_INFINITY
    return Math.min(this.schedules.next, this.#ttls.next, aged)
  }
}

/** The marker of a subject whose last message expired (ADR-43). @param ttl in ms */
export function expiryMarker(subject: string, ttl: number): RuledMessage {
  const headers = encodeHeaders([
    ['Nats-Marker-Reason', 'MaxAge'],
    ['Nats-TTL', `${ttl / 1_000}s`],
  ])
  return { message: { subject, headers, payload: NO_BYTES }, rules: { ttl, isMarker: true } }
}
