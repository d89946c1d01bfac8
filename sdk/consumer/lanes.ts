interface Lane<Item> {
  readonly name: string | number
  /** In the order of the stream. */
  readonly waiting: Item[]
  /** The first one may begin; one has begun; the first one is to be tried again, later. */
  state: 'free' | 'busy' | 'resting'
  rest?: ReturnType<typeof setTimeout>
}

/** What waits for its turn: several lanes beside each other, in each one after the other. */
export class Lanes<Item extends { readonly seq: number; readonly lane: string | number }> {
  readonly #lanes = new Map<string | number, Lane<Item>>()
  /** Those that may begin, the longest waiting first. */
  readonly #free = new Set<Lane<Item>>()
  #size = 0

  /** How many have not begun. */
  get size(): number {
    return this.#size
  }

  add(item: Item): void {
    let lane = this.#lanes.get(item.lane)
    if (!lane) {
      lane = { name: item.lane, waiting: [], state: 'free' }
      this.#lanes.set(item.lane, lane)
    }
    const { waiting } = lane
    let at = waiting.length
    // What is delivered again may be older.
    while (at > 0 && (waiting[at - 1] as Item).seq > item.seq) at--
    waiting.splice(at, 0, item)
    this.#size++
    if (lane.state === 'free') this.#free.add(lane)
  }

  /** The next that may begin. Its lane is busy until {@link finish} or {@link rest}. */
  next(): Item | undefined {
    const [lane] = this.#free
    if (!lane) return undefined
    this.#free.delete(lane)
    lane.state = 'busy'
    this.#size--
    return lane.waiting.shift()
  }

  finish({ lane: name }: Item): void {
    const lane = this.#lanes.get(name)
    if (lane) this.#release(lane)
  }

  /** It begins again after so many ms, before the others of its lane; `then` is called at that time. */
  rest(item: Item, delay: number, then: () => void): void {
    const lane = this.#lanes.get(item.lane)
    if (!lane) return
    lane.waiting.unshift(item)
    this.#size++
    lane.state = 'resting'
    lane.rest = setTimeout(() => {
      this.#release(lane)
      then()
    }, delay)
  }

  /** Takes out all that have not begun, in the order of the stream. */
  clear(): Item[] {
    const taken: Item[] = []
    for (const lane of this.#lanes.values()) {
      taken.push(...lane.waiting.splice(0))
      clearTimeout(lane.rest)
      if (lane.state !== 'busy') this.#lanes.delete(lane.name)
    }
    this.#free.clear()
    this.#size = 0
    return taken.sort((a, b) => a.seq - b.seq)
  }

  #release(lane: Lane<Item>): void {
    lane.state = 'free'
    if (lane.waiting.length > 0) this.#free.add(lane)
    else this.#lanes.delete(lane.name)
  }
}
