interface Known {
  readonly id: string
  readonly seq: number
  readonly time: number
}

/** Approximate memory of an id in addition to its characters, in bytes. */
const OVERHEAD = 150

/** Ids of messages within the duplicate window. */
export class MessageIds {
  #queue: Known[] = []
  #head = 0
  #bytes = 0
  readonly #known = new Map<string, Known>()

  /** Approximate memory, in bytes. */
  get bytes(): number {
    return this.#bytes
  }

  add(id: string, seq: number, time: number): void {
    const known = { id, seq, time }
    this.#queue.push(known)
    this.#known.set(id, known)
    this.#bytes += cost(known)
  }

  /** Sequence of the message with that id. Undefined if there is none. */
  find(id: string): number | undefined {
    return this.#known.get(id)?.seq
  }

  /** Removes ids of messages before that time. */
  forget(before: number): void {
    for (let known = this.#queue[this.#head]; known && known.time < before; known = this.#queue[++this.#head]) {
      if (this.#known.get(known.id) === known) this.#known.delete(known.id)
      this.#bytes -= cost(known)
    }
    if (this.#head > 1_024 && this.#head > this.#queue.length / 2) {
      this.#queue = this.#queue.slice(this.#head)
      this.#head = 0
    }
  }
}

function cost({ id }: Known): number {
  return OVERHEAD + 2 * id.length
}
