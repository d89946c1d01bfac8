/** Replays from JetStream without a bridge: loaded with the first of them. */

import type { SeqRange } from '../contract/gap.ts'
import { JetStreamApi, type StreamState } from '../jetstream/api.ts'
import type { StoredMessage } from '../jetstream/jetstream-link.ts'
import { isLasting } from '../jetstream/lasting.ts'
import { type Following, followStream } from '../jetstream/ordered-consumer.ts'
import { readLastPerSubject, resolveStart } from '../jetstream/page.ts'
import { whyUnreadable } from '../jetstream/unreadable.ts'
import { createBackoff } from '../kit/backoff.ts'
import type { Transport } from '../transport/transport.ts'
import { transportLink } from '../transport/transport-link.ts'
import { SpanwireError } from '../wire/errors.ts'
import type { ReplayOpening, ReplayStart } from '../wire/replay-frames.ts'
import { subtract } from '../wire/sequence-ranges.ts'
import type { ReplaySink, ReplaySource, RunningReplay } from './replay-source.ts'

/** Limits of `last-per-subject`, which is read into memory. */
const LIMITS = { messages: 50_000, bytes: 33_554_432 }

export function directSource(transport: Transport): ReplaySource {
  const api = new JetStreamApi(transportLink(transport))
  return (start, filter, sink) => new DirectReplay(transport, api, { start, filter }, sink)
}

class DirectReplay implements RunningReplay {
  readonly #transport: Transport
  readonly #api: JetStreamApi
  readonly #start: ReplayStart
  readonly #filter: string
  readonly #sink: ReplaySink
  readonly #backoff = createBackoff({ first: 500, longest: 5_000 })
  #following: Following | undefined
  #stopped = false
  /** Sequences that were missing when the replay opened, unless it began at a sequence. They are not reported. */
  #exempt: readonly SeqRange[] | undefined
  /** Last sequence of the backlog. Undefined once the replay is live. */
  #end: number | undefined

  constructor(
    transport: Transport,
    api: JetStreamApi,
    { start, filter }: { readonly start: ReplayStart; readonly filter: string },
    sink: ReplaySink,
  ) {
    this.#transport = transport
    this.#api = api
    this.#start = start
    this.#filter = filter
    this.#sink = sink
    this.#exempt = start.at === 'seq' ? [] : undefined
    void this.#begin()
  }

  stop(): void {
    this.#stopped = true
    this.#backoff.cancel()
    this.#following?.stop()
  }

  async drain(): Promise<void> {
    await this.#transport.flush().catch(() => {})
    this.stop()
  }

  async #begin(): Promise<void> {
    try {
      const stream = await this.#api.findStream(this.#filter)
      if (this.#stopped) return
      if (!stream)
        throw new SpanwireError('stream-not-found', `No stream stores ${this.#filter}: create one with ensureStreams.`)
      const reason = whyUnreadable(stream.config, this.#filter)
      if (reason) throw new SpanwireError('unsupported', `${this.#filter} can not be replayed: ${reason}.`)
      const from = await this.#readFirst(stream)
      if (!this.#stopped) this.#follow(stream.name, from)
    } catch (error) {
      this.#fail(error)
      if (!this.#stopped) this.#backoff.schedule(() => this.#begin())
    }
  }

  /** Delivers `last-per-subject`. Returns the sequence from which to follow the stream. */
  async #readFirst(stream: StreamState): Promise<number> {
    if (this.#start.at !== 'last-per-subject') return resolveStart(this.#api, stream, this.#filter, this.#start)
    const { messages, upTo } = await readLastPerSubject(this.#api, stream, this.#filter, LIMITS)
    if (this.#stopped) return 0
    this.#sink.opened(toOpening(stream, stream.firstSeq))
    for (const message of messages) if (!this.#stopped) this.#sink.message(message)
    return upTo + 1
  }

  #follow(stream: string, from: number): void {
    this.#following = followStream(
      this.#api,
      { stream, filter: this.#filter, from },
      {
        started: (next, state) => this.#started(next, state),
        message: (message) => this.#message(message),
        trouble: (error) => this.#fail(error),
      },
    )
  }

  #started(next: number, state: StreamState): void {
    this.#sink.opened(toOpening(state, next))
    if (this.#stopped) return
    const missing = missingFrom(state, next)
    this.#exempt ??= missing
    const ranges = subtract(missing, this.#exempt)
    if (ranges.length > 0) this.#sink.gap(ranges)
    this.#end = state.lastSeq
    if (this.#end < next) this.#goLive()
    else void this.#checkBacklog(state, next)
  }

  #message(message: StoredMessage): void {
    this.#sink.message(message)
    if (this.#end !== undefined && (message.pending === 0 || message.seq >= this.#end)) this.#goLive()
  }

  #goLive(): void {
    this.#end = undefined
    this.#sink.live()
  }

  /** Goes live if the backlog has no message of the filter: then no message would end it. */
  async #checkBacklog({ name, lastSeq }: StreamState, next: number): Promise<void> {
    try {
      const found = await this.#api.nextMessage(name, this.#filter, next)
      if (!this.#stopped && !found && this.#end === lastSeq) this.#goLive()
    } catch {
      // The first message ends the backlog.
    }
  }

  #fail(error: unknown): void {
    if (!this.#stopped && isLasting(error)) this.#sink.ended(error)
  }
}

function toOpening({ name, epoch, firstSeq, lastSeq }: StreamState, start: number): ReplayOpening {
  return { stream: name, epoch, first: firstSeq, last: lastSeq, start }
}

/** Returns the sequences from `from` on that the stream no longer has. */
function missingFrom({ firstSeq, deleted }: StreamState, from: number): SeqRange[] {
  const ranges: Array<{ from: number; to: number }> = from < firstSeq ? [{ from, to: firstSeq - 1 }] : []
  for (const seq of deleted) {
    const last = ranges.at(-1)
    if (last?.to === seq - 1) last.to = seq
    else if (seq >= from && seq >= firstSeq) ranges.push({ from: seq, to: seq })
  }
  return ranges
}
