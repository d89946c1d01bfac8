import { Hono } from 'hono'
import { parseReplayStatus } from '../../sdk/replay/replay-status.ts'
import { encodeFrame } from '../../sdk/wire/bytes.ts'
import { encodeConnect, encodeSubscribe, encodeUnsubscribe } from '../../sdk/wire/client-op.ts'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import {
  encodeReplay,
  parseAckSubject,
  REPLAY_STATUS_SUBJECT,
  type ReplayOpening,
  type ReplayStart,
} from '../../sdk/wire/replay-frames.ts'
import { formatRanges } from '../../sdk/wire/sequence-ranges.ts'
import type { ServerMessage } from '../../sdk/wire/server-reader.ts'
import type { HostBindings } from './connect-route.ts'
import { codeOf } from './event-feed.ts'
import { encodeJson } from './event-json.ts'
import { checkFilter, readFrom } from './events-query.ts'
import type { FindToken } from './find-token.ts'
import { type HubClientHandler, readHub } from './hub-client.ts'
import type { DialHub, HubLine } from './hub-line.ts'
import { readRefusal } from './hub-refusal.ts'
import { encodeParts, ResponseBody } from './response-body.ts'

/** Messages of one page. */
const DEFAULT_LIMIT = 100
const MAX_LIMIT = 1_000
/** Longest page before its limit is reached, in characters. */
const MAX_LENGTH = 4 * 1024 * 1024
/** Time for the hub to deliver a page, in ms. */
const PATIENCE = 10_000

/**
 * `GET /history/:subject?from=…&to=…&limit=…`: one page of the messages that a stream keeps for a filter, as JSON. It is a
 * replay that ends early, so the permissions and limits of a subscription apply.
 */
export function historyRoute(dial: DialHub, findToken: FindToken): Hono<{ Bindings: HostBindings }> {
  const app = new Hono<{ Bindings: HostBindings }>()

  app.get('/:subject', async (c) => {
    const filter = c.req.param('subject')
    checkFilter(filter)
    const limit = readNumber('limit', c.req.query('limit') ?? String(DEFAULT_LIMIT), MAX_LIMIT)
    const to = c.req.query('to')
    const page = new HistoryPage(filter, {
      from: readFrom(c.req.query('from'), 'all'),
      to: to === undefined ? Number.MAX_SAFE_INTEGER : readNumber('to', to, Number.MAX_SAFE_INTEGER),
      limit,
    })
    const headers = { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' }
    let line: HubLine | undefined
    let body: ResponseBody | undefined
    const late = setTimeout(() => page.unavailable(), PATIENCE)
    try {
      line = await dial(c, readHub(page), { token: findToken(c) })
      page.start(line)
      const parts = await page.parts
      const [first] = parts
      if (first && (parts.length === 1 || c.req.method === 'HEAD')) return c.body(first, 200, headers)
      body = new ResponseBody(c, parts)
      page.sending(body)
      return c.body(body.stream, 200, headers)
    } finally {
      clearTimeout(late)
      // The hub counts the response until the client has read it.
      if (body) void body.sent.then(() => line?.close())
      else line?.close()
    }
  })

  return app
}

/** Range of a page. Sequences include both ends. */
interface HistoryRange {
  readonly from: ReplayStart
  readonly to: number
  readonly limit: number
}

/** Collects one page from a replay. */
class HistoryPage implements HubClientHandler {
  /** Resolves with the JSON of the page, in parts. */
  readonly parts: Promise<Uint8Array<ArrayBuffer>[]>
  readonly #filter: string
  readonly #range: HistoryRange
  readonly #result = Promise.withResolvers<Uint8Array<ArrayBuffer>[]>()
  #messages: string[] = []
  readonly #gaps: string[] = []
  #length = 0
  #stream: Omit<ReplayOpening, 'start'> | undefined
  #next = 1
  #line: HubLine | undefined
  #body: ResponseBody | undefined
  #isOver = false

  constructor(filter: string, range: HistoryRange) {
    this.#filter = filter
    this.#range = range
    this.parts = this.#result.promise
    this.parts.catch(() => {})
  }

  start(line: HubLine): void {
    this.#line = line
    line.send(encodeConnect({ verbose: false, pedantic: false, headers: true, no_responders: true, protocol: 1 }))
    line.send(encodeSubscribe(encodeReplay(this.#range.from, this.#filter), 1))
  }

  /** The hub or the stream does not answer. */
  unavailable(): void {
    this.#fail('upstream-unavailable', 'The stream is unavailable at the moment. Try again.')
  }

  info(): void {}

  pong(): void {}

  ping(): void {
    this.#line?.send(encodeFrame('PONG'))
  }

  error(text: string): void {
    this.#result.reject(readRefusal(text, [this.#filter]))
  }

  /** In bytes. JavaScript takes up to two for a character. */
  get held(): number {
    return this.#body?.held ?? 2 * this.#length
  }

  /** The page is complete, and is sent to the client. */
  sending(body: ResponseBody): void {
    this.#body = body
  }

  abort(): void {
    this.#body?.abort()
    this.#fail('rate-limited', 'The bridge has no memory left for this page. Use a lower limit, or try again later.')
  }

  closed(reason: string): void {
    if (reason !== '') this.error(reason)
    else this.unavailable()
  }

  message(_: string, { subject, reply, payload, headerBlock }: ServerMessage): void {
    if (subject === REPLAY_STATUS_SUBJECT) return this.#status(headerBlock)
    const ack = parseAckSubject(reply ?? '')
    if (!ack || !this.#stream || this.#isOver) return
    const { seq, time } = ack
    if (seq > this.#range.to) return this.#finish(true)
    const text = encodeJson({ subject, payload, headerBlock, seq, time })
    if (this.#messages.length > 0 && this.#length + text.length > MAX_LENGTH) return this.#finish(false)
    this.#messages.push(text)
    this.#length += text.length
    this.#next = seq + 1
    if (this.#messages.length === this.#range.limit || seq === this.#range.to) this.#finish(seq === this.#range.to)
  }

  #status(block: Uint8Array | undefined): void {
    const status = parseReplayStatus(block)
    switch (status.kind) {
      case 'opened': {
        const { start, ...stream } = status.opening
        this.#stream = stream
        this.#next = start
        return
      }
      case 'live':
        return this.#isOver ? undefined : this.#finish(true)
      case 'gap':
        this.#gaps.push(formatRanges(status.ranges))
        return
      case 'no-stream':
        return this.#fail('stream-not-found', `No stream keeps ${this.#filter}.`)
      case 'too-many':
        return this.#fail('payload-too-large', `${this.#filter} has too many subjects for last-per-subject.`)
      case 'refused':
        return this.#fail('request-refused', `${this.#filter} has no history.`)
      case 'interrupted':
        return this.unavailable()
      default:
        if (status.status === 422)
          return this.#fail('request-refused', `${this.#filter} can not be replayed: ${status.reason}.`)
        if (status.status >= 400)
          this.#fail(codeOf(status.status), `${this.#filter}: ${status.status} ${status.reason}`)
    }
  }

  #fail(code: SpanwireError['code'], message: string): void {
    this.#result.reject(new SpanwireError(code, message))
  }

  /** @param complete whether the page reaches the end of the range or of the stream */
  #finish(complete: boolean): void {
    const rest = {
      ...this.#stream,
      ...(this.#gaps.length > 0 && { gone: this.#gaps.join(',') }),
      next: this.#next,
      complete,
    }
    this.#isOver = true
    this.#line?.send(encodeUnsubscribe(1))
    const messages = this.#messages.map((message, index) => (index === 0 ? message : `,${message}`))
    this.#result.resolve(encodeParts(['{"messages":[', ...messages, `],${JSON.stringify(rest).slice(1)}`]))
    this.#messages = []
  }
}

function readNumber(name: string, text: string, max: number): number {
  const value = Number(text)
  if (/^\d{1,16}$/.test(text) && value >= 1 && value <= max) return value
  throw new SpanwireError('invalid-argument', `${name} must be a whole number from 1 to ${max}.`)
}
