/** Replays by a bridge. Source: bridge/PROTOCOL.md, Replay. */

import type { Transport } from '../transport/transport.ts'
import { SpanwireError } from '../wire/errors.ts'
import { type HeaderBlock, parseHeaders } from '../wire/headers.ts'
import {
  encodeReplay,
  parseAckSubject,
  REPLAY_STATUS_SUBJECT,
  replayHeaders,
  replayStatus,
} from '../wire/replay-frames.ts'
import { parseRanges } from '../wire/sequence-ranges.ts'
import type { ReplaySink, ReplaySource } from './replay-source.ts'

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
  let header: HeaderBlock | undefined
  try {
    header = block && parseHeaders(block)
  } catch {
    // The default case reports it.
  }
  const field = (name: string) => header?.fields.find(([other]) => other === name)?.[1] ?? ''
  const seq = (name: string) => Number(field(name))
  switch (header?.description) {
    case replayStatus.open:
      return sink.opened({
        stream: field(replayHeaders.stream),
        epoch: field(replayHeaders.epoch),
        first: seq(replayHeaders.first),
        last: seq(replayHeaders.last),
        start: seq(replayHeaders.start),
      })
    case replayStatus.live:
      return sink.live()
    case replayStatus.gap:
      return sink.gap(parseRanges(field(replayHeaders.gap)))
    case replayStatus.interrupted:
      return sink.interrupted()
    case replayStatus.noStream:
      return sink.ended(
        new SpanwireError('stream-not-found', `No stream keeps ${filter}: make one with ensureStreams.`),
      )
    case replayStatus.tooMany:
      return sink.ended(
        new SpanwireError('payload-too-large', `${filter} has too many subjects for last-per-subject: narrow it.`),
      )
    default:
      sink.ended(
        new SpanwireError(
          'unsupported',
          `The bridge refuses to replay ${filter}: ${header?.description ?? 'no reason'}.`,
        ),
      )
  }
}
