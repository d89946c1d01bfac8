interface Known {
  readonly id: string
  readonly seq: number
  readonly time: number
}

/** What an id takes in memory beside its letters, roughly. */
const OVERHEAD = 150

/** The ids of messages that came within the duplicate window. */
export class MessageIds {
  #queue: Known[] = []
  #head = 0
  #bytes = 0
  readonly #known = new Map<string, Known>()

  /** What they take in memory, roughly. */
  get bytes(): number {
    return this.#bytes
  }

  add(id: string, seq: number, time: number): void {
    const known = { id, seq, time }
    this.#queue.push(known)
    this.#known.set(id, known)
    this.#bytes += cost(known)
  }

  /** The sequence of the message that had it; undefined if none had. */
  find(id: string): number | undefined {
    return this.#known.get(id)?.seq
  }

  /** Forgets those of before that time. */
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
