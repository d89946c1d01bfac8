/** Replays by a bridge. Source: bridge/PROTOCOL.md, Replay. */

import type { Transport } from '../transport/transport.ts'
import { SpanwireError, type SpanwireErrorCode } from '../wire/errors.ts'
import { encodeReplay, parseAckSubject, REPLAY_STATUS_SUBJECT, replayStatus } from '../wire/replay-frames.ts'
import type { ReplaySink, ReplaySource } from './replay-source.ts'
import { parseReplayStatus } from './replay-status.ts'

/** Statuses after which the same replay can succeed later. */
const TEMPORARY: Readonly<Record<number, SpanwireErrorCode>> = { 429: 'rate-limited', 503: 'upstream-unavailable' }

export function edgeSource(transport: Transport): ReplaySource {
  return (start, filter, sink) => {
    const subscription = transport.subscribe(encodeReplay(start, filter), {
      message(message) {
        if (message.subject === REPLAY_STATUS_SUBJECT) return readStatus(message.headerBlock, filter, sink)
        const ack = parseAckSubject(message.reply ?? '')
        const { subject, headerBlock, payload, text } = message
        // The ack subject is not passed on: the `reply` of an event is the reply subject of a request.
        if (ack)
          sink.message({ subject, payload, text, seq: ack.seq, time: ack.time, ...(headerBlock && { headerBlock }) })
      },
      ended: (error) => sink.ended(error as SpanwireError),
    })
    return { stop: () => subscription.unsubscribe(), drain: () => subscription.drain() }
  }
}

function readStatus(block: Uint8Array | undefined, filter: string, sink: ReplaySink): void {
  const status = parseReplayStatus(block)
  switch (status.kind) {
    case 'opened':
      return sink.opened(status.opening)
    case 'live':
      return sink.live()
    case 'gap':
      return sink.gap(status.ranges)
    case 'interrupted':
      return sink.interrupted()
    case 'no-stream':
      return sink.ended(
        new SpanwireError('stream-not-found', `No stream keeps ${filter}: make one with ensureStreams.`),
      )
    case 'too-many':
      return sink.ended(
        new SpanwireError('payload-too-large', `${filter} has too many subjects for last-per-subject: narrow it.`),
      )
    default: {
      const reason = status.kind === 'refused' ? replayStatus.bad : status.reason || 'no reason'
      const code = status.kind === 'unknown' ? TEMPORARY[status.status] : undefined
      sink.ended(new SpanwireError(code ?? 'unsupported', `The bridge refuses to replay ${filter}: ${reason}.`))
    }
  }
}
