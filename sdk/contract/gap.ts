import type { SequenceRange } from '../wire/sequence-ranges.ts'

export type { SequenceRange as SeqRange }

/**
 * Events that a subscription asked for and that can't be had any more.
 *
 * - `removed`: the stream's limits, or somebody, removed `ranges` of it. Sequences count for the whole stream: some may
 *   have been of other subjects.
 * - `recreated`: the stream was deleted and made again; the subscription begins at the new one's first event. What the
 *   old one had after the last event that came is gone; `ranges` is empty.
 * - `truncated`: the stream went back, as after a restore from a backup: `ranges` came already, and their sequences
 *   will be given to other events.
 * - `disconnected`: the event has no stream, and the connection was lost for a while: whatever was published between
 *   `since` and now didn't come. Told when the subscription is back.
 */
export interface Gap {
  readonly reason: 'removed' | 'recreated' | 'truncated' | 'disconnected'
  /** Undefined if it has none. */
  readonly stream: string | undefined
  /** The subject filter of the subscription. */
  readonly subject: string
  readonly ranges: readonly SequenceRange[]
  /** In ms since 1970, by this machine's clock (`disconnected` only). */
  readonly since?: number
}
