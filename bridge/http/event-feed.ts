import { encodeFrame } from '../../sdk/wire/bytes.ts'
import { encodeConnect, encodeSubscribe, encodeUnsubscribe } from '../../sdk/wire/client-op.ts'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { parseHeaders } from '../../sdk/wire/headers.ts'
import {
  encodeReplay,
  parseAckSubject,
  REPLAY_STATUS_SUBJECT,
  type ReplayStart,
  replayHeaders,
  replayStatus,
} from '../../sdk/wire/replay-frames.ts'
import type { ServerInfo } from '../../sdk/wire/server-op.ts'
import type { ServerMessage } from '../../sdk/wire/server-reader.ts'
import { encodeCursor, type Position, streamMark } from './event-cursor.ts'
import { encodeJson } from './event-json.ts'
import type { EventsQuery } from './events-query.ts'
import type { HubClientHandler } from './hub-client.ts'
import type { HubLine } from './hub-line.ts'
import { readRefusal } from './hub-refusal.ts'
import { encodeSse, type SseBody } from './sse-body.ts'

/** One filter of a feed. */
interface Source {
  readonly filter: string
  /** Changes with each SUB: what still comes for a former one is not for us. */
  sid: string
  /** Where it is in its stream; undefined before it has one. */
  at: Position | undefined
  /** `asked`: the hub has not said yet which stream there is. `plain`: there is none. */
  state: 'asked' | 'replayed' | 'plain'
}

/**
 * What one reader of `GET /events` follows: subscriptions of one session of the hub, told as events.
 * Messages are events without a name. Named are `subscribed`, `live`, `gap`, `upstream`, and `error` before an end.
 */
export class EventFeed implements HubClientHandler {
  /** Resolves when the hub has taken every subscription; rejects with the reason when it hasn't. */
  readonly accepted: Promise<void>
  readonly #query: EventsQuery
  readonly #body: SseBody
  readonly #sources: readonly Source[]
  readonly #acceptance = Promise.withResolvers<void>()
  /** Who waits for which PONG. */
  readonly #pongs: Array<() => void> = []
  #line: HubLine | undefined
  #started = false
  #lastSid = 0
  #upstream: string | undefined = 'open'

  constructor(query: EventsQuery, body: SseBody) {
    this.#query = query
    this.#body = body
    this.accepted = this.#acceptance.promise
    this.accepted.catch(() => {})
    this.#sources = query.filters.map((filter) => ({ filter, sid: '', at: query.cursor.get(filter), state: 'asked' }))
  }

  /** @param line which knows whose it is */
  start(line: HubLine): void {
    this.#line = line
    this.#send(encodeConnect({ verbose: false, pedantic: false, headers: true, no_responders: true, protocol: 1 }))
    for (const source of this.#sources) this.#replay(source, resumeAt(source.at) ?? this.#beginning(source))
    this.#ping(() => {
      this.#started = true
      this.#acceptance.resolve()
    })
  }

  info({ edge }: ServerInfo): void {
    if (edge === undefined || edge.upstream === this.#upstream) return
    this.#upstream = edge.upstream
    this.#event('upstream', { state: edge.upstream })
  }

  message(sid: string, message: ServerMessage): void {
    const source = this.#sources.find((own) => own.sid === sid)
    if (!source) return
    if (message.subject === REPLAY_STATUS_SUBJECT) return this.#status(source, message.headerBlock)
    const place = source.state === 'replayed' && message.reply ? parseAckSubject(message.reply) : undefined
    if (place && source.at) {
      if (place.seq < source.at.next) return
      source.at = { stream: source.at.stream, next: place.seq + 1 }
    }
    const { subject, payload, headerBlock } = message
    this.#write(encodeJson({ subject, payload, headerBlock, seq: place?.seq, time: place?.time }))
  }

  ping(): void {
    // The hub counts what was not confirmed: so it sees how much the reader has left unread.
    this.#body.whenTaken(() => this.#send(encodeFrame('PONG')))
  }

  pong(): void {
    this.#pongs.shift()?.()
  }

  error(text: string): void {
    const refusal = readRefusal(text, this.#query.filters)
    if (!this.#started) return this.#acceptance.reject(refusal)
    if (refusal.code === 'slow-consumer') return this.#body.abort()
    // Others than these end with the connection, and the browser comes again by itself.
    if (refusal.code === 'permission-denied' || refusal.code === 'authentication-failed') this.#fail(refusal)
  }

  closed(): void {
    this.#acceptance.reject(new SpanwireError('upstream-unavailable', 'The hub ended the connection: try again.'))
    this.#body.end()
  }

  #beginning({ filter }: Source): ReplayStart {
    // The cursor knows it as a filter without a stream: there is nothing to make up for.
    return this.#query.cursor.has(filter) ? { at: 'new' } : this.#query.from
  }

  #status(source: Source, block: Uint8Array | undefined): void {
    const { status = 0, description = '', fields } = parseHeaders(block ?? new Uint8Array(0))
    const header = (name: string) => fields.find(([own]) => own === name)?.[1] ?? ''
    if (description === replayStatus.open) return this.#opened(source, header)
    if (description === replayStatus.live) return this.#event('live', { subject: source.filter })
    if (description === replayStatus.gap) return this.#gap(source, header(replayHeaders.gap))
    if (description === replayStatus.interrupted) {
      return this.#replay(source, resumeAt(source.at) ?? this.#beginning(source))
    }
    if (description === replayStatus.noStream) return this.#listen(source)
    if (description === replayStatus.tooMany) {
      return this.#fail(
        new SpanwireError('payload-too-large', `${source.filter} has too many subjects for last-per-subject.`),
      )
    }
    if (status >= 400) this.#fail(new SpanwireError('request-refused', `${source.filter}: ${status} ${description}`))
  }

  /** The stream is known; or it is another than it was. */
  #opened(source: Source, header: (name: string) => string): void {
    const stream = header(replayHeaders.stream)
    const mark = streamMark(stream, header(replayHeaders.epoch))
    const [first, last, start] = [replayHeaders.first, replayHeaders.last, replayHeaders.start].map((name) =>
      Number(header(name)),
    ) as [number, number, number]
    const resumed = source.state === 'asked'
    const { at } = source
    source.state = 'replayed'
    if (at && at.stream !== mark) {
      source.at = { stream: mark, next: resumed ? 1 : start }
      this.#event('gap', { subject: source.filter, stream, reason: 'recreated' })
      // Asked for a sequence of another stream, the hub has begun at the wrong place.
      if (resumed) return this.#replay(source, { at: 'all' })
    } else if (at && last + 1 < at.next) {
      source.at = { stream: mark, next: resumed ? last + 1 : start }
      this.#event('gap', { subject: source.filter, stream, reason: 'truncated' })
      if (resumed) return this.#replay(source, { at: 'seq', seq: last + 1 })
    } else {
      source.at = { stream: mark, next: at?.next ?? start }
    }
    this.#event('subscribed', { subject: source.filter, stream, first, last })
  }

  #gap(source: Source, text: string): void {
    const ranges = text.split(',').map((range) => {
      const [from, to = from] = range.split('-').map(Number)
      return [from, to] as [number, number]
    })
    for (const [from, to] of ranges) {
      // What lies between two ranges is still to come.
      if (source.at && from <= source.at.next && source.at.next <= to) source.at = { ...source.at, next: to + 1 }
    }
    this.#event('gap', { subject: source.filter, reason: 'removed', ranges })
  }

  #replay(source: Source, start: ReplayStart): void {
    source.state = 'asked'
    this.#subscribe(source, encodeReplay(start, source.filter))
  }

  /** No stream keeps it: from now on only. */
  #listen(source: Source): void {
    source.state = 'plain'
    source.at = undefined
    this.#subscribe(source, source.filter)
    this.#ping(() => this.#event('subscribed', { subject: source.filter }))
  }

  #subscribe(source: Source, subject: string): void {
    if (source.sid !== '') this.#send(encodeUnsubscribe(source.sid))
    source.sid = String(++this.#lastSid)
    this.#send(encodeSubscribe(subject, source.sid))
  }

  #ping(answered: () => void): void {
    this.#pongs.push(answered)
    this.#send(encodeFrame('PING'))
  }

  /** Says why, and ends. */
  #fail({ code, message }: SpanwireError): void {
    this.#event('error', { code, detail: message })
    this.#body.end()
    this.#line?.close()
  }

  #send(bytes: Uint8Array): void {
    this.#line?.send(bytes)
  }

  #event(name: string, data: object): void {
    this.#write(JSON.stringify(data), name)
  }

  #write(data: string, name?: string): void {
    const cursor = new Map(
      this.#sources.filter(({ state }) => state !== 'asked').map(({ filter, at }) => [filter, at] as const),
    )
    for (const { filter, state, at } of this.#sources) if (state === 'asked' && at) cursor.set(filter, at)
    const id = [...cursor.values()].some((at) => at !== undefined) ? encodeCursor(cursor) : undefined
    this.#body.write(encodeSse(data, name, id))
  }
}

function resumeAt(at: Position | undefined): ReplayStart | undefined {
  return at && { at: 'seq', seq: at.next }
}
