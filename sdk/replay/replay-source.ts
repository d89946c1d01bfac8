import type { SeqRange } from '../contract/gap.ts'
import type { EventMessage } from '../contract/received-event.ts'
import type { SpanwireError } from '../wire/errors.ts'
import type { ReplayOpening, ReplayStart } from '../wire/replay-frames.ts'

/** A message of a stream. */
export interface StreamMessage extends EventMessage {
  /** Sequence in the stream. */
  readonly seq: number
}

/** Receives a replay. Its functions must not throw. */
export interface ReplaySink {
  /** Called when the replay begins, and when it begins again because the stream has changed. */
  opened(opening: ReplayOpening): void
  /** Called with each message. */
  message(message: StreamMessage): void
  /** Called when the backlog was delivered. */
  live(): void
  /** Called with sequences that are no longer available. */
  gap(ranges: readonly SeqRange[]): void
  /** Called when the replay cannot continue. It must be requested again. */
  interrupted(): void
  /** Called when the replay is refused or has ended permanently. */
  ended(error: SpanwireError): void
}

/** A replay that is running. */
export interface RunningReplay {
  /** Stops immediately. */
  stop(): void
  /** Stops after the messages that are on their way were delivered. */
  drain(): Promise<void>
}

/** Starts replays, from a bridge or from JetStream. */
export type ReplaySource = (start: ReplayStart, filter: string, sink: ReplaySink) => RunningReplay
