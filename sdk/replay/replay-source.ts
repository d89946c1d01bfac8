import type { SeqRange } from '../contract/gap.ts'
import type { EventMessage } from '../contract/received-event.ts'
import type { SpanwireError } from '../wire/errors.ts'
import type { ReplayOpening, ReplayStart } from '../wire/replay-frames.ts'

/** A message of a stream. */
export interface StreamMessage extends EventMessage {
  readonly seq: number
}

/** Who hears of a replay. Nothing may throw. */
export interface ReplaySink {
  /** It begins; or it begins anew, because the stream isn't what it was. */
  opened(opening: ReplayOpening): void
  message(message: StreamMessage): void
  /** The past is delivered. */
  live(): void
  /** Sequences that can't be had any more. */
  gap(ranges: readonly SeqRange[]): void
  /** It lost its place: ask again. */
  interrupted(): void
  /** It is refused, or ended for good. */
  ended(error: SpanwireError): void
}

/** One replay, until it is stopped. */
export interface RunningReplay {
  stop(): void
  /** Stops after what is on its way was delivered. */
  drain(): Promise<void>
}

/** How replays are had: from a bridge, or from JetStream itself. */
export type ReplaySource = (start: ReplayStart, filter: string, sink: ReplaySink) => RunningReplay
