import type { Batch } from './batch.ts'

/**
 * What all members of a group get, as long as none of them gets anything else: then a message costs one step for the whole
 * group, and one write for each member at the end of the turn.
 */
export class SharedBatch {
  /** Frames so far. */
  batch: Batch
  /** Somebody was sent it, or got something else: nothing is added any more. */
  closed = false

  constructor(batch: Batch) {
    this.batch = batch
  }

  add(frame: Uint8Array): void {
    this.batch = this.batch.with(frame)
  }
}
