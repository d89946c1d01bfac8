/** Status messages of a replay, read once for all readers. Source: bridge/PROTOCOL.md, Replay and resume. */
import { type HeaderBlock, parseHeaders } from '../wire/headers.ts'
import { type ReplayOpening, replayHeaders, replayStatus } from '../wire/replay-frames.ts'
import { parseRanges, type SequenceRanges } from '../wire/sequence-ranges.ts'

/** The meaning of one status message. */
export type ReplayStatus =
  | { readonly kind: 'opened'; readonly opening: ReplayOpening }
  | { readonly kind: 'live' }
  | { readonly kind: 'gap'; readonly ranges: SequenceRanges }
  | { readonly kind: 'interrupted' }
  | { readonly kind: 'no-stream' }
  | { readonly kind: 'too-many' }
  | { readonly kind: 'refused' }
  /** A status of another version of the protocol. `reason` is empty if the header block is not readable. */
  | { readonly kind: 'unknown'; readonly status: number; readonly reason: string }

/** Reads the header block of a message on `REPLAY_STATUS_SUBJECT`. Never throws. */
export function parseReplayStatus(block: Uint8Array | undefined): ReplayStatus {
  const { status = 0, description = '', fields } = readBlock(block)
  const field = (name: string) => fields.find(([other]) => other === name)?.[1] ?? ''
  switch (description) {
    case replayStatus.open:
      return {
        kind: 'opened',
        opening: {
          stream: field(replayHeaders.stream),
          epoch: field(replayHeaders.epoch),
          first: Number(field(replayHeaders.first)),
          last: Number(field(replayHeaders.last)),
          start: Number(field(replayHeaders.start)),
        },
      }
    case replayStatus.live:
      return { kind: 'live' }
    case replayStatus.gap:
      return { kind: 'gap', ranges: parseRanges(field(replayHeaders.gap)) }
    case replayStatus.interrupted:
      return { kind: 'interrupted' }
    case replayStatus.noStream:
      return { kind: 'no-stream' }
    case replayStatus.tooMany:
      return { kind: 'too-many' }
    case replayStatus.bad:
      return { kind: 'refused' }
    default:
      return { kind: 'unknown', status, reason: description }
  }
}

function readBlock(block: Uint8Array | undefined): HeaderBlock {
  try {
    return block ? parseHeaders(block) : { fields: [] }
  } catch {
    return { fields: [] }
  }
}
