import { toBase64 } from '../../../sdk/wire/base64.ts'
import { encodeHeaders } from '../../../sdk/wire/headers.ts'
import { filtersOverlap } from '../../../sdk/wire/subject.ts'
import type { UpstreamMessage } from '../../upstream/upstream.ts'
import { apiErrors } from './api-error.ts'
import { type Fields, flag, integer, text, texts } from './fields.ts'
import { Filter } from './filter.ts'
import { joinHeaders } from './join-headers.ts'
import { statusMessage, toTimestamp } from './status-message.ts'
import type { Stream } from './stream.ts'
import { readStreamConfig } from './stream-config.ts'
import type { HostedStream, StreamRegistry } from './stream-registry.ts'
import type { StoreRecord } from './stream-store.ts'

const NAMES_PAGE = 1_024
const LIST_PAGE = 256
const SUBJECTS_PAGE = 100_000

/** Requests of `$JS.API.STREAM.…`. Each maps the fields of the request to the response. Throws ApiError. */
export class StreamApi {
  readonly #registry: StreamRegistry
  readonly #clock: () => number

  constructor(registry: StreamRegistry, clock: () => number) {
    this.#registry = registry
    this.#clock = clock
  }

  create(name: string, fields: Fields): object {
    const known = this.#registry.find(name) !== undefined
    const hosted = this.#registry.create(readStreamConfig(fields, name))
    return { ...this.#describe(hosted), did_create: !known }
  }

  update(name: string, fields: Fields): object {
    // Like in nats-server, an unknown stream is reported before errors of the configuration.
    this.#registry.get(name)
    return this.#describe(this.#registry.update(readStreamConfig(fields, name)))
  }

  info(name: string, fields: Fields): object {
    const hosted = this.#registry.get(name)
    const { stream } = hosted
    stream.expire(this.#clock())
    const filter = text(fields, 'subjects_filter')
    const deleted = flag(fields, 'deleted_details')
    const more = deleted && stream.deletedCount > 0 ? { deleted: [...stream.deleted()] } : {}
    if (filter === undefined) return this.#describe(hosted, more)
    const { matches } = new Filter([filter], stream.knownSubjects)
    const counts = [...stream.index.subjectCounts()].filter(([subject]) => !matches || matches(subject))
    const offset = Math.min(Math.max(integer(fields, 'offset'), 0), counts.length)
    const page = counts.slice(offset, offset + SUBJECTS_PAGE)
    const subjects = page.length > 0 ? { subjects: Object.fromEntries(page) } : {}
    const paging = { total: counts.length, offset, limit: SUBJECTS_PAGE }
    return { ...paging, ...this.#describe(hosted, { ...more, ...subjects }) }
  }

  names(fields: Fields): object {
    const names = this.#matching(fields).map(({ stream }) => stream.config.name)
    const { items, ...paging } = page(names, fields, NAMES_PAGE)
    return { ...paging, streams: items.length > 0 ? items : null }
  }

  list(fields: Fields): object {
    const { items, ...paging } = page(this.#matching(fields), fields, LIST_PAGE)
    return { ...paging, streams: items.map((hosted) => this.#describe(hosted)) }
  }

  delete(name: string): object {
    this.#registry.delete(name)
    return { success: true }
  }

  purge(name: string, fields: Fields): object {
    const { stream } = this.#registry.get(name)
    const [seq, keep] = [integer(fields, 'seq'), integer(fields, 'keep')]
    if ((seq > 0 && keep > 0) || seq < 0 || keep < 0) throw apiErrors.badRequest()
    if (stream.config.deny_purge) throw apiErrors.purgeNotPermitted()
    const filter = text(fields, 'filter')
    const purged = stream.purge(new Filter(filter === undefined ? [] : [filter], stream.knownSubjects), {
      ...(seq > 0 && { before: seq }),
      ...(keep > 0 && { keep }),
    })
    return { success: true, purged }
  }

  getMessage(name: string, fields: Fields): object {
    const { stream } = this.#registry.get(name)
    const found = findMessage(stream, fields, this.#clock())
    if (found === 'bad') throw apiErrors.badRequest()
    if (!found) throw apiErrors.noMessage()
    const { subject, seq, headers, payload, time } = found
    return {
      message: {
        subject,
        seq,
        ...(headers && { hdrs: toBase64(headers) }),
        ...(payload.length > 0 && { data: toBase64(payload) }),
        time: toTimestamp(time),
      },
    }
  }

  deleteMessage(name: string, fields: Fields): object {
    const { stream } = this.#registry.get(name)
    const seq = integer(fields, 'seq')
    if (stream.config.deny_delete) throw apiErrors.deleteNotPermitted()
    if (seq < 1) throw apiErrors.badRequest()
    if (!stream.delete(seq)) throw apiErrors.sequenceNotFound(seq)
    return { success: true }
  }

  #matching(fields: Fields): HostedStream[] {
    const subject = text(fields, 'subject')
    const all = this.#registry.all()
    if (subject === undefined) return all
    return all.filter(({ stream }) => stream.config.subjects.some((captured) => filtersOverlap(captured, subject)))
  }

  #describe({ stream, consumers, sources }: HostedStream, more: object = {}): object {
    stream.expire(this.#clock())
    return {
      config: stream.config,
      created: stream.created,
      state: {
        messages: stream.messages,
        bytes: stream.bytes,
        first_seq: stream.firstSeq,
        first_ts: toTimestamp(stream.firstTime),
        last_seq: stream.lastSeq,
        last_ts: toTimestamp(stream.lastTime),
        ...(stream.subjectCount > 0 && { num_subjects: stream.subjectCount }),
        ...(stream.deletedCount > 0 && { num_deleted: stream.deletedCount }),
        ...more,
        consumer_count: consumers.size,
      },
      ...(sources.length > 0 && { sources: sources.map((source) => source.info()) }),
      ts: toTimestamp(this.#clock()),
    }
  }
}

/** One page of a list, from `offset` on. */
export function page<T>(
  all: readonly T[],
  fields: Fields,
  limit: number,
): { readonly total: number; readonly offset: number; readonly limit: number; readonly items: readonly T[] } {
  const offset = Math.min(Math.max(integer(fields, 'offset'), 0), all.length)
  return { total: all.length, offset, limit, items: all.slice(offset, offset + limit) }
}

/** Finds the message of a get request. `bad` if the request names no message, or several. */
export function findMessage(stream: Stream, fields: Fields, now: number): StoreRecord | undefined | 'bad' {
  const seq = integer(fields, 'seq')
  const last = text(fields, 'last_by_subj')
  const next = text(fields, 'next_by_subj')
  const time = text(fields, 'start_time')
  stream.expire(now)
  const filter = (subject: string | undefined) =>
    new Filter(subject === undefined ? [] : [subject], stream.knownSubjects)
  if (last !== undefined) {
    if (seq > 0 || next !== undefined || time !== undefined) return 'bad'
    return read(stream, stream.index.last(filter(last))?.seq)
  }
  if (time !== undefined) {
    if (seq > 0 || Number.isNaN(Date.parse(time))) return 'bad'
    const first = stream.index.since(Date.parse(time))?.seq
    return first === undefined ? undefined : read(stream, stream.index.next(first, filter(next))?.seq)
  }
  if (next !== undefined) return read(stream, stream.index.next(seq, filter(next))?.seq)
  return seq > 0 ? read(stream, seq) : 'bad'
}

function read(stream: Stream, seq: number | undefined): StoreRecord | undefined {
  return seq === undefined ? undefined : stream.read(seq)
}

/** The answer to `$JS.API.DIRECT.GET`: the message itself, or a status (ADR-31: one message, no batches). */
export function directGet(stream: Stream, fields: Fields, reply: string, now: number): UpstreamMessage {
  if (integer(fields, 'batch') > 0 || texts(fields, 'multi_last').length > 0 || text(fields, 'up_to_time'))
    return statusMessage(reply, { code: 408, reason: 'Batches Not Supported' })
  const found = findMessage(stream, fields, now)
  if (found === 'bad') return statusMessage(reply, { code: 408, reason: 'Empty Request' })
  if (!found) return statusMessage(reply, { code: 404, reason: 'Message Not Found' })
  const { subject, seq, time, headers, payload } = found
  const origin = encodeHeaders([
    ['Nats-Stream', stream.config.name],
    ['Nats-Subject', subject],
    ['Nats-Sequence', String(seq)],
    ['Nats-Time-Stamp', toTimestamp(time)],
  ])
  return { subject: reply, headers: headers ? joinHeaders(headers, origin) : origin, payload }
}
