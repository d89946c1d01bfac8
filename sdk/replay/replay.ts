/** A subscription to a stream, for as long as the application wants it: loaded when the first is made. */

import type { ReplayOptions, SubscribeOptions } from '../contract/bus.ts'
import type { Gap, SeqRange } from '../contract/gap.ts'
import type { Source, SourceMessage } from '../contract/source.ts'
import { createBackoff } from '../kit/backoff.ts'
import { closedError } from '../transport/checks.ts'
import type { SubscriptionHandler, Transport } from '../transport/transport.ts'
import { SpanwireError } from '../wire/errors.ts'
import type { ReplayOpening } from '../wire/replay-frames.ts'
import { type Cursor, encodeCursor, parseCursor } from './cursor.ts'
import { keepCursor } from './cursor-keeper.ts'
import { edgeSource } from './edge-source.ts'
import { begin, catchUp, lose, open, type Place, startOf, take } from './place.ts'
import { createProgress } from './progress.ts'
import type { ReplaySink, ReplaySource, RunningReplay, StreamMessage } from './replay-source.ts'
import { toStart } from './start-from.ts'

/** Events that may wait for the application before the replay pauses. */
const BUFFER = 10_000

export interface ReplaySubscriptionOptions extends ReplayOptions, Pick<SubscribeOptions, 'onGap'> {
  /** Events that the application isn't done with; with more, the replay pauses, and goes on at half of it. */
  readonly buffer?: number
}

/**
 * Follows a stream over everything that may happen to the connection: each event once, in order; what is lost is told.
 * The transport's subscription is given up when the connection is lost, and asked for again, from the next sequence on,
 * when it is back.
 */
export function replay(
  transport: Transport,
  filter: string,
  handler: SubscriptionHandler,
  { from = 'new', cursorStore, cursorKey = filter, onGap = warn, buffer = BUFFER }: ReplaySubscriptionOptions,
): Source {
  const ready = Promise.withResolvers<void>()
  const live = Promise.withResolvers<void>()
  ready.promise.catch(() => {})
  live.promise.catch(() => {})
  const keep = cursorStore && keepCursor(cursorStore, cursorKey)
  let place: Place | undefined
  /** After the last event that the application is done with. */
  let cursor: string | undefined
  let isLive = false
  let paused = false
  let ended = false
  /** Replays are numbered: what an earlier one says doesn't count any more. */
  let round = 0
  let running: RunningReplay | undefined
  const backoff = createBackoff({ first: 100, longest: 5_000 })

  const progress = createProgress<Cursor>((position) => {
    cursor = encodeCursor(position)
    keep?.(cursor)
    if (paused && progress.pending <= buffer / 2) {
      paused = false
      run()
    }
  })
  const release = transport.onStatus(follow)
  locate().then(follow, fail)

  async function locate(): Promise<void> {
    let kept: string | undefined
    try {
      kept = await cursorStore?.get(cursorKey)
    } catch (cause) {
      throw new SpanwireError('invalid-argument', `The cursorStore can't read ${cursorKey}.`, { cause })
    }
    cursor = kept ?? (typeof from === 'object' && 'cursor' in from ? from.cursor : undefined)
    place = begin(toStart(from), cursor === undefined ? undefined : parseCursor(cursor))
  }

  /** A bridge that has lost NATS keeps the replay. */
  function follow(): void {
    const { state, reason } = transport.status
    if (state === 'open') run()
    else if (state === 'closed') fail(closedError())
    else if (reason?.code !== 'upstream-unavailable') halt()
  }

  function halt(): void {
    round++
    backoff.cancel()
    isLive = false
    running?.stop()
    running = undefined
  }

  function run(): void {
    if (ended || paused || running || backoff.isScheduled || !place || transport.status.state !== 'open') return
    const own = ++round
    const during =
      <Given extends unknown[]>(hear: (...given: Given) => void) =>
      (...given: Given) => {
        if (own === round) hear(...given)
      }
    const sink: ReplaySink = {
      opened: during(opened),
      message: during(message),
      live: during(() => {
        backoff.failures = 0
        isLive = true
        place = catchUp(place as Place)
        live.resolve()
      }),
      gap: during(lost),
      interrupted: during(() => again()),
      // A stream that is being made again isn't there for a moment.
      ended: during((error) => (error.code === 'stream-not-found' && place?.cursor ? again() : fail(error))),
    }
    const begin = (source: ReplaySource) => {
      const started = source(startOf(place as Place), filter, sink)
      if (own === round) running = started
      else started.stop()
    }
    try {
      if (transport.edge !== false) return begin(edgeSource(transport))
      // Nothing else runs meanwhile.
      running = { stop() {}, drain: async () => {} }
      import('./direct-source.ts').then(
        ({ directSource }) => own === round && begin(directSource(transport)),
        () => own === round && again(),
      )
    } catch (error) {
      fail(error)
    }
  }

  function again(): void {
    halt()
    backoff.schedule(run)
  }

  function opened(opening: ReplayOpening): void {
    const before = place?.cursor
    const result = open(place as Place, opening)
    place = result.place
    // Another stream, or the first: events of the one before are finished first.
    if (place.cursor && (result.gap || !before)) progress.add(place.cursor)()
    if (result.gap) {
      isLive = false
      tell(result.gap)
    }
    ready.resolve()
    if (!result.again) return
    halt()
    run()
  }

  function message(message: StreamMessage): void {
    const next = take(place as Place, message.seq)
    if (!next) return
    backoff.failures = 0
    place = next
    const given: SourceMessage = { ...message, live: isLive, done: progress.add(next.cursor as Cursor) }
    handler.message(given)
    if (progress.pending < buffer || ended) return
    paused = true
    halt()
  }

  function lost(ranges: readonly SeqRange[]): void {
    const before = place?.cursor
    const { place: next, fresh } = lose(place as Place, ranges)
    place = next
    if (next.cursor && next.cursor.next !== before?.next) progress.add(next.cursor)()
    if (fresh.length > 0) tell({ reason: 'removed', stream: next.cursor?.stream ?? '', ranges: fresh })
  }

  function tell(gap: Omit<Gap, 'subject'>): void {
    try {
      onGap({ ...gap, subject: filter })
    } catch (error) {
      console.error('spanwire: onGap threw', error)
    }
  }

  function stop(error: unknown): void {
    ended = true
    release()
    halt()
    ready.reject(error)
    live.reject(error)
  }

  function fail(error: unknown): void {
    if (ended) return
    stop(error)
    handler.ended(error as SpanwireError)
  }

  const unsubscribe = () => {
    if (!ended) stop(new SpanwireError('aborted', 'Ended before that.'))
  }
  return {
    ready: ready.promise,
    live: live.promise,
    get cursor() {
      return cursor
    },
    unsubscribe,
    async drain() {
      await running?.drain()
      unsubscribe()
    },
  }
}

function warn({ reason, stream, subject, ranges }: Gap): void {
  const which = ranges.map(({ from, to }) => (from === to ? from : `${from}-${to}`)).join(', ')
  console.warn(`spanwire: ${stream} was ${reason}: ${subject} ${which ? `misses ${which}` : 'begins anew'}`)
}
