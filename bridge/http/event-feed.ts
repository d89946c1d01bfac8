import { begin, catchUp, lose, open, type Position, startOf, take } from '../../sdk/replay/position.ts'
import { parseReplayStatus } from '../../sdk/replay/replay-status.ts'
import { encodeFrame } from '../../sdk/wire/bytes.ts'
import { encodeConnect, encodeSubscribe, encodeUnsubscribe } from '../../sdk/wire/client-op.ts'
import { SpanwireError, type SpanwireErrorCode } from '../../sdk/wire/errors.ts'
import { splitFilters } from '../../sdk/wire/filter-list.ts'
import {
  encodeReplay,
  parseAckSubject,
  REPLAY_STATUS_SUBJECT,
  type ReplayOpening,
} from '../../sdk/wire/replay-frames.ts'
import type { SequenceRanges } from '../../sdk/wire/sequence-ranges.ts'
import type { ServerInfo } from '../../sdk/wire/server-op.ts'
import type { ServerMessage } from '../../sdk/wire/server-reader.ts'
import { encodeCursor, type StreamPosition, streamKey } from './event-cursor.ts'
import { encodeJson } from './event-json.ts'
import type { EventsQuery } from './events-query.ts'
import type { HubClientHandler } from './hub-client.ts'
import type { HubLine } from './hub-line.ts'
import { readRefusal } from './hub-refusal.ts'
import { encodeSse, type SseBody } from './sse-body.ts'

/** One subject filter of a feed. */
interface Source {
  readonly filter: string
  /** Changes with each SUB. Messages with an earlier sid are dropped. */
  sid: string
  /** Decides where to resume and which gaps to report. Its stream is a {@link streamKey}, its epoch is empty. */
  position: Position
  /** `asked`: the hub has not answered the replay yet. `plain`: no stream keeps the filter. */
  state: 'asked' | 'replayed' | 'plain'
  /** First sequence of the last replay. A `last-per-subject` replay has no message before it. */
  start: number
}

/**
 * Subscriptions of one `GET /events`, as events. Messages are events without a name. Named events are `subscribed`, `live`,
 * `gap`, `upstream`, and `error` before the end.
 */
export class EventFeed implements HubClientHandler {
  /** Resolves when the hub has accepted all subscriptions. Rejects with the reason if it refuses one. */
  readonly accepted: Promise<void>
  readonly #query: EventsQuery
  readonly #body: SseBody
  readonly #sources: readonly Source[]
  readonly #acceptance = Promise.withResolvers<void>()
  /** Called with PONGs, in order. */
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
    this.#sources = query.filters.map((filter) => ({
      filter,
      sid: '',
      position: beginAt(filter, query),
      state: 'asked',
      start: 0,
    }))
  }

  start(line: HubLine): void {
    this.#line = line
    this.#send(encodeConnect({ verbose: false, pedantic: false, headers: true, no_responders: true, protocol: 1 }))
    for (const source of this.#sources) this.#replay(source)
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
    const ack = source.state === 'replayed' ? parseAckSubject(message.reply ?? '') : undefined
    if (ack) {
      const position = take(source.position, ack.seq)
      if (!position) return
      source.position = position
    }
    const { subject, payload, headerBlock } = message
    this.#write(encodeJson({ subject, payload, headerBlock, seq: ack?.seq, time: ack?.time }))
  }

  ping(): void {
    // The hub counts unconfirmed bytes, so it sees how much the reader has left unread.
    this.#body.whenTaken(() => this.#send(encodeFrame('PONG')))
  }

  pong(): void {
    this.#pongs.shift()?.()
  }

  error(text: string): void {
    const refusal = readRefusal(text, this.#query.filters)
    if (!this.#started) return this.#acceptance.reject(refusal)
    if (refusal.code === 'slow-consumer') return this.#body.abort()
    // All other errors close the connection, and the browser reconnects.
    if (refusal.code === 'permission-denied' || refusal.code === 'authentication-failed') this.#fail(refusal)
  }

  get held(): number {
    return this.#body.held
  }

  abort(): void {
    this.#body.abort()
  }

  closed(reason: string): void {
    if (reason !== '') this.error(reason)
    this.#acceptance.reject(new SpanwireError('upstream-unavailable', 'The hub closed the connection. Try again.'))
    this.#body.end()
  }

  #status(source: Source, block: Uint8Array | undefined): void {
    const status = parseReplayStatus(block)
    switch (status.kind) {
      case 'opened':
        return this.#opened(source, status.opening)
      case 'live':
        source.position = catchUp(source.position)
        return this.#event('live', { subject: source.filter })
      case 'gap':
        return this.#gap(source, status.ranges)
      case 'interrupted':
        return this.#replay(source)
      case 'no-stream':
        return this.#listen(source)
      case 'too-many':
        return this.#fail(
          new SpanwireError('payload-too-large', `${source.filter} has too many subjects for last-per-subject.`),
        )
      case 'refused':
        return this.#fail(new SpanwireError('request-refused', `${source.filter} has no replay.`))
      default:
        if (status.status >= 400)
          this.#fail(new SpanwireError(codeOf(status.status), `${source.filter}: ${status.status} ${status.reason}`))
    }
  }

  #opened(source: Source, opening: ReplayOpening): void {
    const { stream, epoch, first, last, start } = opening
    const { position, gap, again } = open(source.position, { ...opening, stream: streamKey(stream, epoch), epoch: '' })
    source.position = position
    source.start = start
    source.state = 'replayed'
    if (gap) this.#event('gap', { subject: source.filter, stream, reason: gap.reason })
    if (again) this.#replay(source)
    else this.#event('subscribed', { subject: source.filter, stream, first, last })
  }

  #gap(source: Source, ranges: SequenceRanges): void {
    const { position, fresh } = lose(source.position, ranges)
    source.position = position
    if (fresh.length === 0) return
    const pairs = fresh.map(({ from, to }) => [from, to])
    this.#event('gap', { subject: source.filter, reason: 'removed', ranges: pairs })
  }

  #replay(source: Source): void {
    source.state = 'asked'
    this.#subscribe(source, encodeReplay(startOf(source.position), source.filter))
  }

  /** No stream keeps the filter. Subscribes to new messages. */
  #listen(source: Source): void {
    if (splitFilters(source.filter).length > 1)
      return this.#fail(new SpanwireError('stream-not-found', `No stream stores all of ${source.filter}.`))
    source.state = 'plain'
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

  /** Sends an `error` event and ends. */
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
    const cursor = new Map<string, StreamPosition | undefined>()
    for (const source of this.#sources) {
      const at = positionOf(source)
      // A filter that is not in the cursor has not begun.
      if (at || source.state === 'plain') cursor.set(source.filter, at)
    }
    const id = [...cursor.values()].some((at) => at !== undefined) ? encodeCursor(cursor) : undefined
    this.#body.write(encodeSse(data, name, id))
  }
}

/** A filter that the cursor knows without a stream begins with new messages. */
function beginAt(filter: string, { cursor, from }: EventsQuery): Position {
  const at = cursor.get(filter)
  if (at) return begin(from, { stream: at.stream, epoch: '', next: at.next })
  return begin(cursor.has(filter) ? { at: 'new' } : from)
}

function positionOf({ position, state, start }: Source): StreamPosition | undefined {
  const { cursor, sparse } = position
  if (state === 'plain' || !cursor) return undefined
  return { stream: cursor.stream, next: sparse ? Math.max(cursor.next, start) : cursor.next }
}

/** The code for a status of a replay that has no other meaning for HTTP clients. */
export function codeOf(status: number): SpanwireErrorCode {
  if (status === 429) return 'rate-limited'
  return status === 503 ? 'upstream-unavailable' : 'request-refused'
}
