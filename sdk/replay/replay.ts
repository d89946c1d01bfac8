/** A subscription to a stream across disconnects: loaded with the first one. */

import type { ReplayOptions, StartFrom, SubscribeOptions } from '../contract/bus.ts'
import type { Gap, SeqRange } from '../contract/gap.ts'
import { removalOf } from '../contract/removal.ts'
import type { Source, SourceMessage } from '../contract/subscription-source.ts'
import { createBackoff } from '../kit/backoff.ts'
import { createDeferred } from '../kit/deferred.ts'
import { closedError } from '../transport/checks.ts'
import type { SubscriptionHandler, Transport } from '../transport/transport.ts'
import { isSpanwireError, SpanwireError } from '../wire/errors.ts'
import type { ReplayOpening } from '../wire/replay-frames.ts'
import { type Cursor, encodeCursor, parseCursor } from './cursor.ts'
import { keepCursor } from './cursor-keeper.ts'
import { edgeSource } from './edge-source.ts'
import { begin, catchUp, lose, open, type Position, startOf, take } from './position.ts'
import { createProgress, type Progress } from './progress.ts'
import type { ReplaySink, ReplaySource, RunningReplay, StreamMessage } from './replay-source.ts'
import { toStart } from './start-from.ts'

/** Default of `buffer`. */
const BUFFER = 10_000

/** Options of {@link replay}. */
export interface ReplaySubscriptionOptions extends ReplayOptions, Pick<SubscribeOptions, 'onGap'> {
  /** Number of unhandled events at which the replay pauses. It continues at half of it. Default 10,000. */
  readonly buffer?: number
}

/**
 * Delivers each event of a stream once and in order, across disconnects. Events that the stream has lost are reported. The
 * subscription of the transport ends with the connection. After a reconnect, the replay is requested again from the next
 * sequence on.
 */
export function replay(
  transport: Transport,
  filter: string,
  handler: SubscriptionHandler,
  options: ReplaySubscriptionOptions,
): Source {
  return new StreamReplay(transport, filter, handler, options)
}

class StreamReplay implements Source {
  readonly #transport: Transport
  readonly #filter: string
  readonly #handler: SubscriptionHandler
  readonly #buffer: number
  readonly #onGap: (gap: Gap) => void
  readonly #ready = createDeferred()
  readonly #live = createDeferred()
  readonly #backoff = createBackoff({ first: 100, longest: 5_000 })
  readonly #progress: Progress<Cursor>
  readonly #release: () => void
  /** Undefined until the cursor was read from its store. */
  #position: Position | undefined
  /** Position after the last event that the application has handled. */
  #cursor: string | undefined
  #isLive = false
  #paused = false
  #ended = false
  /** Number of the current replay. Calls of earlier ones are ignored. */
  #round = 0
  #running: RunningReplay | undefined

  constructor(
    transport: Transport,
    filter: string,
    handler: SubscriptionHandler,
    { from = 'new', cursorStore, cursorKey = filter, onGap = warn, buffer = BUFFER }: ReplaySubscriptionOptions,
  ) {
    this.#transport = transport
    this.#filter = filter
    this.#handler = handler
    this.#buffer = buffer
    this.#onGap = onGap
    this.#ready.promise.catch(() => {})
    this.#live.promise.catch(() => {})
    const keep = cursorStore && keepCursor(cursorStore, cursorKey)
    this.#progress = createProgress<Cursor>((position) => {
      this.#cursor = encodeCursor(position)
      keep?.(this.#cursor)
      if (!this.#paused || this.#progress.pending > buffer / 2) return
      this.#paused = false
      this.#run()
    })
    const follow = () => this.#follow()
    this.#release = transport.onStatus(follow)
    this.#locate(from, () => cursorStore?.get(cursorKey)).then(follow, (error) => this.#fail(error))
  }

  get ready(): Promise<void> {
    return this.#ready.promise
  }

  get live(): Promise<void> {
    return this.#live.promise
  }

  get cursor(): string | undefined {
    return this.#cursor
  }

  unsubscribe(): void {
    if (!this.#ended) this.#stop(new SpanwireError('aborted', 'The subscription ended before it was live.'))
  }

  async drain(): Promise<void> {
    await this.#running?.drain()
    this.unsubscribe()
  }

  async #locate(from: StartFrom, readStore: () => Promise<string | undefined> | string | undefined): Promise<void> {
    let stored: string | undefined
    try {
      stored = await readStore()
    } catch (cause) {
      throw new SpanwireError('invalid-argument', `The cursorStore failed for ${this.#filter}.`, { cause })
    }
    this.#cursor = stored ?? (typeof from === 'object' && 'cursor' in from ? from.cursor : undefined)
    this.#position = begin(toStart(from), this.#cursor === undefined ? undefined : parseCursor(this.#cursor))
  }

  /** Follows the status of the transport. A bridge that has lost NATS keeps the replay. */
  #follow(): void {
    const { state, reason } = this.#transport.status
    if (state === 'open') this.#run()
    else if (state === 'closed') this.#fail(closedError())
    else if (reason?.code !== 'upstream-unavailable') this.#halt()
  }

  #halt(): void {
    this.#round++
    this.#backoff.cancel()
    this.#isLive = false
    this.#running?.stop()
    this.#running = undefined
  }

  #run(): void {
    const position = this.#position
    if (this.#ended || this.#paused || this.#running || this.#backoff.isScheduled || !position) return
    if (this.#transport.status.state !== 'open') return
    const own = ++this.#round
    const start = (source: ReplaySource) => {
      const started = source(startOf(position), this.#filter, this.#sinkFor(own))
      if (own === this.#round) this.#running = started
      else started.stop()
    }
    try {
      if (this.#transport.edge !== false) return start(edgeSource(this.#transport))
      // Keeps other calls from starting a replay.
      this.#running = { stop() {}, drain: async () => {} }
      import('./direct-source.ts').then(
        (module) => own === this.#round && start(module.directSource(this.#transport)),
        () => own === this.#round && this.#retry(),
      )
    } catch (error) {
      this.#fail(error)
    }
  }

  /** Returns a sink for one replay. It ignores calls once another replay has begun. */
  #sinkFor(round: number): ReplaySink {
    const during =
      <Args extends unknown[]>(call: (position: Position, ...args: Args) => void) =>
      (...args: Args) => {
        if (round === this.#round && this.#position) call(this.#position, ...args)
      }
    return {
      opened: during((position, opening) => this.#opened(position, opening)),
      message: during((position, message) => this.#message(position, message)),
      live: during((position) => {
        this.#backoff.failures = 0
        this.#isLive = true
        this.#position = catchUp(position)
        this.#live.resolve()
      }),
      gap: during((position, ranges) => this.#lost(position, ranges)),
      interrupted: during(() => this.#retry()),
      // A stream that is being created again does not exist in between.
      ended: during(({ cursor }, error) => {
        if (error.code === 'stream-not-found' && cursor) this.#retry()
        else this.#fail(error)
      }),
    }
  }

  #retry(): void {
    this.#halt()
    this.#backoff.schedule(() => this.#run())
  }

  #opened(before: Position, opening: ReplayOpening): void {
    const { position, gap, again } = open(before, opening)
    this.#position = position
    // The cursor enters a stream once the events of the stream before it were handled.
    if (position.cursor && (gap || !before.cursor)) this.#progress.add(position.cursor)()
    if (gap) {
      this.#isLive = false
      this.#reportGap(gap)
    }
    this.#ready.resolve()
    if (!again) return
    this.#halt()
    this.#run()
  }

  #message(before: Position, message: StreamMessage): void {
    const position = take(before, message.seq)
    if (!position) return
    this.#backoff.failures = 0
    this.#position = position
    const removed = message.payload.length ? undefined : removalOf(message)
    const done = this.#progress.add(position.cursor)
    const { stream } = position.cursor ?? {}
    const given: SourceMessage = { ...message, ...(stream && { stream }), live: this.#isLive, removed, done }
    this.#handler.message(given)
    if (this.#progress.pending < this.#buffer || this.#ended) return
    this.#paused = true
    this.#halt()
  }

  #lost(before: Position, ranges: readonly SeqRange[]): void {
    const { position, fresh } = lose(before, ranges)
    this.#position = position
    const { cursor } = position
    if (cursor && cursor.next !== before.cursor?.next) this.#progress.add(cursor)()
    if (fresh.length > 0) this.#reportGap({ reason: 'removed', stream: cursor?.stream ?? '', ranges: fresh })
  }

  #reportGap(gap: Omit<Gap, 'subject'>): void {
    try {
      this.#onGap({ ...gap, subject: this.#filter })
    } catch (error) {
      console.error('spanwire: onGap threw', error)
    }
  }

  #stop(error: SpanwireError): void {
    this.#ended = true
    this.#release()
    this.#halt()
    this.#ready.reject(error)
    this.#live.reject(error)
  }

  #fail(cause: unknown): void {
    if (this.#ended) return
    const error = isSpanwireError(cause)
      ? cause
      : new SpanwireError('connection-lost', `The replay of ${this.#filter} failed.`, { cause })
    this.#stop(error)
    this.#handler.ended(error)
  }
}

function warn({ reason, stream, subject, ranges }: Gap): void {
  const which = ranges.map(({ from, to }) => (from === to ? from : `${from}-${to}`)).join(', ')
  console.warn(`spanwire: ${stream} was ${reason}: ${subject} ${which ? `misses ${which}` : 'begins again'}`)
}
