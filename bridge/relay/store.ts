/** How the messages of a lane get into a stream. */
import type { SpanwireError } from '../../sdk/wire/errors.ts'
import type { BatchItem } from './atomic-batch.ts'

/** A message that is ready to be stored. */
export interface StoreItem extends BatchItem {
  /** The id by which the stream drops a repetition; undefined if the foreign message has none. */
  readonly id: string | undefined
}

/** Part of a lane: messages, and how far the lane is done with them. */
export interface StorePart {
  readonly items: readonly StoreItem[]
  /** The position of the last message that is done with this part, whether it is stored or put aside. */
  readonly position: number | undefined
}

/** The result of {@link LaneStore.store}. */
export interface Stored {
  /** Messages that the stream had already. */
  readonly duplicates: number
}

/** Stores the messages of one lane, one part after the other. */
export interface LaneStore {
  /**
   * Reads how far the lane is stored. Call it before the first part.
   * @returns the last position that is done; undefined if the stream does not say
   * @throws SpanwireError the errors of the JetStream API
   */
  open(): Promise<number | undefined>
  /**
   * Stores a part, in order. Tries until it is stored.
   * @throws SpanwireError (as rejection) `aborted`; {@link Fenced}; {@link Moved}; {@link Unprepared}
   */
  store(part: StorePart): Promise<Stored>
}

/** Options that all stores have. */
export interface StoreOptions {
  readonly signal: AbortSignal
  /** Called when an attempt failed and another one follows, and with undefined when it worked. */
  readonly waiting: (error: SpanwireError | undefined) => void
}

/** Another relay stores this lane now. */
export class Fenced extends Error {
  constructor(lane: string) {
    super(`Another relay has taken over ${lane}.`)
  }
}

/** The relay that had this lane before stored one more part of it. Open the store again. */
export class Moved extends Error {}

/** The stream's configuration does not allow batches any more. */
export class Unprepared extends Error {}
