/** Replays by JetStream itself, where no bridge is: loaded when the first is wanted. */

import type { SeqRange } from '../contract/gap.ts'
import { JetStreamApi, type StreamState } from '../jetstream/api.ts'
import { isLasting } from '../jetstream/lasting.ts'
import { type Following, followStream } from '../jetstream/ordered-consumer.ts'
import { readLastPerSubject, resolveStart } from '../jetstream/page.ts'
import { whyUnreadable } from '../jetstream/unreadable.ts'
import { transportLink } from '../transport/jetstream-link.ts'
import type { Transport } from '../transport/transport.ts'
import { SpanwireError } from '../wire/errors.ts'
import type { ReplayOpening } from '../wire/replay-frames.ts'
import { subtract } from '../wire/sequence-ranges.ts'
import type { ReplaySource } from './replay-source.ts'

/** Of `last-per-subject`, which is read at once: what a client can hold without harm. */
const LIMITS = { messages: 50_000, bytes: 33_554_432 }
/** Between attempts to reach JetStream, in ms. */
const PAUSE = 500

export function directSource(transport: Transport): ReplaySource {
  const api = new JetStreamApi(transportLink(transport))

  return (start, filter, sink) => {
    let stopped = false
    let following: Following | undefined
    let retry: ReturnType<typeof setTimeout> | undefined

    async function begin(): Promise<void> {
      try {
        const stream = await api.findStream(filter)
        if (stopped) return
        if (!stream)
          throw new SpanwireError('stream-not-found', `No stream keeps ${filter}: make one with ensureStreams.`)
        const reason = whyUnreadable(stream.config, filter)
        if (reason) throw new SpanwireError('unsupported', `${filter} can not be replayed: ${reason}.`)
        const from = await readFirst(stream)
        if (!stopped) following = follow(stream, from)
      } catch (error) {
        trouble(error)
        if (!stopped) retry = setTimeout(begin, PAUSE)
      }
    }

    /** Delivers what comes before everything else. Returns the sequence from which to follow. */
    async function readFirst(stream: StreamState): Promise<number> {
      if (start.at !== 'last-per-subject') return resolveStart(api, stream, filter, start)
      const { messages, upTo } = await readLastPerSubject(api, stream, filter, LIMITS)
      if (stopped) return 0
      sink.opened(opening(stream, stream.firstSeq))
      for (const message of messages) if (!stopped) sink.message(message)
      return upTo + 1
    }

    function follow(stream: StreamState, from: number): Following {
      let exempt: readonly SeqRange[] | undefined = start.at === 'seq' ? [] : undefined
      /** The backlog ends here, or where nothing is pending. */
      let end: number | undefined
      const live = () => {
        end = undefined
        sink.live()
      }
      return followStream(api, stream.name, filter, from, {
        started(next, state) {
          sink.opened(opening(state, next))
          if (stopped) return
          const gone = missing(state, next)
          exempt ??= gone
          const ranges = subtract(gone, exempt)
          if (ranges.length > 0) sink.gap(ranges)
          end = state.lastSeq
          if (end < next) live()
          else void lookAhead(state, next, () => end === state.lastSeq && live())
        },
        message(message) {
          sink.message(message)
          if (end !== undefined && (message.pending === 0 || message.seq >= end)) live()
        },
        trouble,
      })
    }

    /** Of what the stream has, nothing may match the filter: then nothing comes that would say so. */
    async function lookAhead({ name }: StreamState, next: number, none: () => void): Promise<void> {
      try {
        const found = await api.message(name, { seq: next, next_by_subj: filter })
        if (!stopped && !found) none()
      } catch {
        // The first message will tell.
      }
    }

    function trouble(error: unknown): void {
      if (!stopped && isLasting(error)) sink.ended(error)
    }

    const stop = () => {
      stopped = true
      clearTimeout(retry)
      following?.stop()
    }
    void begin()
    return {
      stop,
      async drain() {
        await transport.flush().catch(() => {})
        stop()
      },
    }
  }
}

function opening({ name, epoch, firstSeq, lastSeq }: StreamState, start: number): ReplayOpening {
  return { stream: name, epoch, first: firstSeq, last: lastSeq, start }
}

/** What a stream doesn't have any more from a sequence on. */
function missing({ firstSeq, deleted }: StreamState, from: number): SeqRange[] {
  const ranges: Array<{ from: number; to: number }> = from < firstSeq ? [{ from, to: firstSeq - 1 }] : []
  for (const seq of deleted) {
    const last = ranges.at(-1)
    if (last?.to === seq - 1) last.to = seq
    else if (seq >= from && seq >= firstSeq) ranges.push({ from: seq, to: seq })
  }
  return ranges
}
