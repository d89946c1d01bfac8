import { parseReplayStatus } from '../../sdk/replay/replay-status.ts'
import { encodeFrame } from '../../sdk/wire/bytes.ts'
import { encodeConnect, encodeSubscribe } from '../../sdk/wire/client-op.ts'
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
import { encodeJson } from './event-json.ts'
import type { HubClientHandler } from './hub-client.ts'
import type { HubLine } from './hub-line.ts'
import { readRefusal } from './hub-refusal.ts'

/** What a page is of. Sequences, both ends included. */
export interface HistoryRange {
  readonly from: ReplayStart
  readonly to: number
  readonly limit: number
}

/** In characters: what ends a page before its limit, however large its messages are. */
const MAX_LENGTH = 4 * 1024 * 1024

/** Gathers one page from a replay of the hub. */
export class HistoryPage implements HubClientHandler {
  /** Resolves with the JSON of the page. */
  readonly text: Promise<string>
  readonly #filter: string
  readonly #range: HistoryRange
  readonly #outcome = Promise.withResolvers<string>()
  readonly #messages: string[] = []
  readonly #gaps: string[] = []
  #length = 0
  #stream: Omit<ReplayOpening, 'start'> | undefined
  #next = 1
  #line: HubLine | undefined

  constructor(filter: string, range: HistoryRange) {
    this.#filter = filter
    this.#range = range
    this.text = this.#outcome.promise
    this.text.catch(() => {})
  }

  start(line: HubLine): void {
    this.#line = line
    line.send(encodeConnect({ verbose: false, pedantic: false, headers: true, no_responders: true, protocol: 1 }))
    line.send(encodeSubscribe(encodeReplay(this.#range.from, this.#filter), 1))
  }

  /** Nobody waits any longer. */
  late(): void {
    this.#outcome.reject(new SpanwireError('upstream-unavailable', 'The stream is out of reach for now: try again.'))
  }

  info(): void {}

  pong(): void {}

  ping(): void {
    this.#line?.send(encodeFrame('PONG'))
  }

  error(text: string): void {
    this.#outcome.reject(readRefusal(text, [this.#filter]))
  }

  closed(): void {
    this.late()
  }

  message(_: string, { subject, reply, payload, headerBlock }: ServerMessage): void {
    if (subject === REPLAY_STATUS_SUBJECT) return this.#status(headerBlock)
    const place = parseAckSubject(reply ?? '')
    if (!place || !this.#stream || this.#messages.length >= this.#range.limit) return
    const { seq, time } = place
    if (seq > this.#range.to) return this.#done(true)
    const text = encodeJson({ subject, payload, headerBlock, seq, time })
    if (this.#messages.length > 0 && this.#length + text.length > MAX_LENGTH) return this.#done(false)
    this.#messages.push(text)
    this.#length += text.length
    this.#next = seq + 1
    if (this.#messages.length === this.#range.limit || seq === this.#range.to) this.#done(seq === this.#range.to)
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
        return this.#done(true)
      case 'gap':
        this.#gaps.push(formatRanges(status.ranges))
        return
      case 'no-stream':
        return this.#outcome.reject(new SpanwireError('stream-not-found', `No stream keeps ${this.#filter}.`))
      case 'too-many':
        return this.#outcome.reject(new SpanwireError('payload-too-large', 'Too many subjects for last-per-subject.'))
      case 'refused':
        return this.#outcome.reject(new SpanwireError('request-refused', `${this.#filter} has no history.`))
      case 'interrupted':
        return this.late()
      default:
        if (status.status >= 400) this.late()
    }
  }

  /** @param complete whether there was nothing more to give */
  #done(complete: boolean): void {
    const rest = {
      ...this.#stream,
      ...(this.#gaps.length > 0 && { gone: this.#gaps.join(',') }),
      next: this.#next,
      complete,
    }
    this.#outcome.resolve(`{"messages":[${this.#messages.join(',')}],${JSON.stringify(rest).slice(1)}`)
  }
}
