import type { Allocate } from './client-socket.ts'

/**
 * Frames for one client in one turn: an immutable list that clients with the same frames share.
 *
 * Clients with equal subscriptions get the same frames in the same order. Their lists are one object, which one comparison
 * per delivery finds. Its bytes are joined once and sent to all of them.
 */
export class Batch {
  /** In bytes. */
  readonly length: number
  readonly #previous: Batch | undefined
  readonly #frame: Uint8Array
  /** The batch that last grew from this one. The next client of the same group will need the same. */
  #next: Batch | undefined
  #joined: Uint8Array | undefined
  #joinedIn: Allocate | undefined

  private constructor(previous: Batch | undefined, frame: Uint8Array) {
    this.#previous = previous
    this.#frame = frame
    this.length = (previous?.length ?? 0) + frame.length
  }

  /** The batch from which all batches of one turn grow. */
  static empty(): Batch {
    return new Batch(undefined, new Uint8Array(0))
  }

  /** A batch of one frame. */
  static of(frame: Uint8Array): Batch {
    return new Batch(undefined, frame)
  }

  /** Returns a batch with one more frame. */
  with(frame: Uint8Array): Batch {
    const next = this.#next
    if (next !== undefined && next.#frame === frame) return next
    const grown = new Batch(this, frame)
    this.#next = grown
    return grown
  }

  /** Joins all frames at the end of a buffer from `allocate`. The result is shared: do not change it. */
  join(allocate: Allocate = allocateBytes): Uint8Array {
    if (this.#joined && this.#joinedIn === allocate) return this.#joined
    const joined = allocate(this.length)
    let end = joined.length
    for (let batch: Batch | undefined = this; batch; batch = batch.#previous) {
      end -= batch.#frame.length
      joined.set(batch.#frame, end)
    }
    this.#joined = joined
    this.#joinedIn = allocate
    return joined
  }
}

function allocateBytes(length: number): Uint8Array {
  return new Uint8Array(length)
}
