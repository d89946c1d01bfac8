/** The port to a stream: stores the messages of a lane. */

import type { BatchItem } from '../../sdk/bus/atomic-batch.ts'
import type { SpanwireError } from '../../sdk/wire/errors.ts'

/** A message that is ready to be stored. */
export interface StoreItem extends BatchItem {
  /** The id by which the stream detects duplicates. Undefined if the foreign message has none. */
  readonly id: string | undefined
}

/** Messages of a lane, and the position that they reach. */
export interface StorePart {
  /** Messages to store, in order. */
  readonly items: readonly StoreItem[]
  /** The position of the last message of the part, stored or in the dead letter. */
  readonly position: number | undefined
}

/** The result of {@link LaneStore.store}. */
export interface Stored {
  /** Messages that the stream had already. */
  readonly duplicates: number
}

/** Stores the messages of one lane, in parts. */
export interface LaneStore {
  /** Parts that may be stored at the same time. They are stored in the order of the calls. */
  readonly depth: number
  /**
   * Reads the position of the lane. Call it before the first part.
   * @returns the position of the last stored part. Undefined if the stream has none
   * @throws SpanwireError (as rejection) the errors of the JetStream API
   */
  open(): Promise<number | undefined>
  /**
   * Stores a part, in order. Tries again until it is stored. Rejects if an earlier part rejects.
   * @throws (as rejection) SpanwireError `aborted`, {@link Fenced}, {@link Moved}, {@link Unprepared}
   */
  store(part: StorePart): Promise<Stored>
}

/** Options of all stores. */
export interface StoreOptions {
  /** Ends all attempts. */
  readonly signal: AbortSignal
  /** Called with the error of an attempt that is repeated, and with undefined after success. */
  readonly waiting: (error: SpanwireError | undefined) => void
}

/** Thrown if another relay has taken over the lane. */
export class Fenced extends Error {
  constructor(lane: string) {
    super(`Another relay has taken over ${lane}.`)
  }
}

/** Thrown if the previous relay of the lane has stored another part. Open the store again. */
export class Moved extends Error {}

/** Thrown if the stream's configuration no longer allows batches. */
export class Unprepared extends Error {}
