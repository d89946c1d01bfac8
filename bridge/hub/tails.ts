import { toBase64 } from '../../sdk/wire/base64.ts'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { type HeaderFields, parseHeaders } from '../../sdk/wire/headers.ts'
import type { Upstream, UpstreamMessage } from '../upstream/upstream.ts'

/** Different filters at one time. Each is a subscription at NATS. */
const MAX_TAILS = 4
/** Messages that a tail keeps for its next query. */
const KEPT = 200
/** Bytes of a payload, and of a header block, that are shown. */
const SHOWN = 4_096
/** Bytes of one response. It must fit in a message of NATS, because other hubs may request it. */
const MAX_RESPONSE = 256 * 1024
/** A tail that receives more messages in a second ends, because it would take CPU from deliveries. */
const MAX_RATE = 2_000
/** A tail without a query for this time ends, in ms. */
const IDLE = 10_000

/** A message of a tail. */
export interface TailMessage {
  /** Number of the message in its tail. The first is 1. */
  readonly seq: number
  /** When the hub received it, in ms since 1970. */
  readonly time: number
  readonly subject: string
  readonly reply?: string
  readonly headers?: HeaderFields
  /** Header block and payload, in bytes. */
  readonly size: number
  /** The beginning of a payload that is UTF-8. */
  readonly text?: string
  /** The beginning of any other payload. */
  readonly base64?: string
  /** Whether `text` or `base64` is not the whole payload. */
  readonly cut?: true
}

/** Messages since a number. */
export interface TailPage {
  /** `after` of the next query. */
  readonly next: number
  /** Messages that are no longer kept. */
  readonly missed: number
  /** Whether the tail has ended because too many messages arrived. The next query without `after` begins another one. */
  readonly ended: boolean
  readonly messages: readonly TailMessage[]
}

/** Messages of NATS for viewers: one subscription per filter, and only while its page is queried. */
export class Tails {
  readonly #upstream: Upstream
  readonly #clock: () => number
  readonly #tails = new Map<string, Tail>()
  #timer: ReturnType<typeof setInterval> | undefined

  constructor(upstream: Upstream, clock: () => number) {
    this.#upstream = upstream
    this.#clock = clock
  }

  /**
   * Messages of a filter since `after`. The first query begins the tail.
   * @throws SpanwireError `invalid-subject`, `rate-limited`
   */
  read(filter: string, after: number | undefined): TailPage {
    let tail = this.#tails.get(filter)
    if (tail?.hasEnded && after === undefined) {
      this.#end(filter)
      tail = undefined
    }
    if (!tail) {
      if (this.#tails.size >= MAX_TAILS)
        throw new SpanwireError('rate-limited', `${MAX_TAILS} other filters are followed. Try again in 10 s.`)
      tail = new Tail(this.#upstream, filter, this.#clock)
      this.#tails.set(filter, tail)
      this.#timer ??= setInterval(() => this.#sweep(), IDLE / 2)
    }
    return tail.read(after)
  }

  close(): void {
    for (const filter of [...this.#tails.keys()]) this.#end(filter)
  }

  #sweep(): void {
    for (const [filter, { readAt }] of [...this.#tails]) if (this.#clock() - readAt >= IDLE) this.#end(filter)
  }

  #end(filter: string): void {
    this.#tails.get(filter)?.end()
    this.#tails.delete(filter)
    if (this.#tails.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}

interface KeptMessage extends Pick<TailMessage, 'seq' | 'time' | 'subject' | 'reply' | 'size'> {
  readonly headers?: Uint8Array
  readonly payload: Uint8Array
  readonly isCut: boolean
}

class Tail {
  readonly #clock: () => number
  readonly #unsubscribe: () => void
  readonly #isInternal: boolean
  readonly #messages: KeptMessage[] = []
  #lastSeq = 0
  #second = { since: 0, count: 0 }
  hasEnded = false
  readAt: number

  constructor(upstream: Upstream, filter: string, clock: () => number) {
    this.#clock = clock
    this.readAt = clock()
    this.#isInternal = isInternal(filter)
    this.#unsubscribe = upstream.subscribe(filter, undefined, (message) => this.#take(message))
  }

  read(after: number | undefined): TailPage {
    this.readAt = this.#clock()
    // A number of an earlier tail with this filter.
    const from = after === undefined || after > this.#lastSeq ? this.#lastSeq : after
    const waiting = this.#messages.filter(({ seq }) => seq > from)
    const missed = this.#lastSeq - from - waiting.length
    let room = MAX_RESPONSE
    const fitting = waiting.filter(({ size }) => {
      room -= 2 * Math.min(size, 2 * SHOWN) + 500
      return room > 0
    })
    const next = fitting.at(-1)?.seq ?? from + missed
    return { next, missed, ended: this.hasEnded, messages: fitting.map(describe) }
  }

  end(): void {
    this.#unsubscribe()
  }

  #take(message: UpstreamMessage): void {
    if (this.hasEnded) return
    const now = this.#clock()
    if (now - this.#second.since >= 1_000) this.#second = { since: now, count: 0 }
    if (++this.#second.count > MAX_RATE) {
      this.hasEnded = true
      return this.#unsubscribe()
    }
    if (!this.#isInternal && isInternal(message.subject)) return
    this.#messages.push(keep(message, ++this.#lastSeq, now))
    if (this.#messages.length > KEPT) this.#messages.shift()
  }
}

/** Replies, and subjects of NATS and Spanwire. A tail shows them only if its filter names them. */
function isInternal(subject: string): boolean {
  return /^(\$|_INBOX(\.|$))/.test(subject)
}

/** A copy of the bytes that are shown. A view would keep the whole chunk of the connection alive. */
function keep({ subject, reply, headers, payload }: UpstreamMessage, seq: number, time: number): KeptMessage {
  return {
    seq,
    time,
    subject,
    ...(reply !== undefined && { reply }),
    ...(headers && headers.length <= SHOWN && { headers: headers.slice() }),
    payload: payload.slice(0, SHOWN),
    size: payload.length + (headers?.length ?? 0),
    isCut: payload.length > SHOWN,
  }
}

function describe({ headers, payload, isCut, ...message }: KeptMessage): TailMessage {
  return {
    ...message,
    ...(headers && { headers: readFields(headers) }),
    ...readPayload(payload, isCut),
    ...(isCut && { cut: true as const }),
  }
}

function readPayload(payload: Uint8Array, isCut: boolean): { text: string } | { base64: string } {
  try {
    // The last character of a beginning may be incomplete.
    return { text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(payload, { stream: isCut }) }
  } catch {
    return { base64: toBase64(payload) }
  }
}

function readFields(block: Uint8Array): HeaderFields {
  try {
    return parseHeaders(block).fields
  } catch {
    return []
  }
}
