import type { Batch } from './batch.ts'

/**
 * The batch of all members of a group while none of them gets anything else. A message then costs one step for the whole
 * group, and one write per member at the end of the turn.
 */
export class SharedBatch {
  /** All frames that were added. */
  batch: Batch
  /** Set once a member was sent the batch or got something else. No frames are added after that. */
  closed = false

  constructor(batch: Batch) {
    this.batch = batch
  }

  add(frame: Uint8Array): void {
    this.batch = this.batch.with(frame)
  }
}
