import type { SequenceRange } from '../wire/sequence-ranges.ts'

export type { SequenceRange as SeqRange }

/**
 * Events of a subscription that are no longer available, or that may have been missed.
 *
 * - `removed`: stream limits, or an administrator, removed `ranges`. Sequences count all events of the stream, so some of
 *   them may have been events of other subjects.
 * - `recreated`: the stream was deleted and created again. The subscription continues with the first event of the new
 *   stream. Events of the old stream after the last one delivered are lost. `ranges` is empty.
 * - `truncated`: the stream lost its newest events, such as by a restore from a backup. `ranges` were delivered, and the
 *   stream will assign their sequences to other events.
 * - `disconnected`: the event has no stream, and the connection was lost. Events published between `since` and now were
 *   not delivered. It is reported once the subscription is restored.
 */
export interface Gap {
  /** Kind of the gap, see {@link Gap}. */
  readonly reason: 'removed' | 'recreated' | 'truncated' | 'disconnected'
  /** Name of the stream. Undefined for `disconnected`. */
  readonly stream: string | undefined
  /** The subject filter of the subscription. */
  readonly subject: string
  /** Sequences that are affected, in ascending order. */
  readonly ranges: readonly SequenceRange[]
  /** Start of the interruption, in ms since 1970 by this machine's clock. Only for `disconnected`. */
  readonly since?: number
}
