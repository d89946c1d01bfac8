import type { Allocate } from './client-socket.ts'

/**
 * What a client is sent in one turn: an immutable list of frames, shared by every client that gets the same ones.
 *
 * Clients with equal subscriptions get the same frames in the same order, so their lists are one object, found by one
 * comparison per delivery; its bytes are joined once and sent to all of them.
 */
export class Batch {
  /** In bytes. */
  readonly length: number
  readonly #previous: Batch | undefined
  readonly #frame: Uint8Array
  /** The batch that last grew from this one: the next client of the same group asks for the same. */
  #next: Batch | undefined
  #joined: Uint8Array | undefined
  #joinedIn: Allocate | undefined

  private constructor(previous: Batch | undefined, frame: Uint8Array) {
    this.#previous = previous
    this.#frame = frame
    this.length = (previous?.length ?? 0) + frame.length
  }

  /** The batch that all of one turn's batches grow from. */
  static empty(): Batch {
    return new Batch(undefined, new Uint8Array(0))
  }

  /** One frame alone. */
  static of(frame: Uint8Array): Batch {
    return new Batch(undefined, frame)
  }

  /** This batch and one more frame. */
  with(frame: Uint8Array): Batch {
    const next = this.#next
    if (next !== undefined && next.#frame === frame) return next
    const grown = new Batch(this, frame)
    this.#next = grown
    return grown
  }

  /** All frames in one buffer of just that size, at the end of what `allocate` gives. Shared: don't change it. */
  join(allocate: Allocate = ownRoom): Uint8Array {
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

function ownRoom(length: number): Uint8Array {
  return new Uint8Array(length)
}
