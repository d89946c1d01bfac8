interface Lane<Item> {
  readonly name: string | number
  /** Items in the order of the stream. */
  readonly waiting: Item[]
  /** `free`: the first item may begin. `busy`: an item has begun. `resting`: the first item begins again later. */
  state: 'free' | 'busy' | 'resting'
  rest?: ReturnType<typeof setTimeout>
}

/** A queue with lanes: items of one lane begin one after the other, items of different lanes concurrently. */
export class Lanes<Item extends { readonly seq: number; readonly lane: string | number }> {
  readonly #lanes = new Map<string | number, Lane<Item>>()
  /** Lanes whose first item may begin. The one that waits longest is the first. */
  readonly #free = new Set<Lane<Item>>()
  #size = 0

  /** Number of items that have not begun. */
  get size(): number {
    return this.#size
  }

  /** Whether an item may begin. */
  get isReady(): boolean {
    return this.#free.size > 0
  }

  /** Adds an item to its lane, in the order of the stream. */
  add(item: Item): void {
    let lane = this.#lanes.get(item.lane)
    if (!lane) {
      lane = { name: item.lane, waiting: [], state: 'free' }
      this.#lanes.set(item.lane, lane)
    }
    const { waiting } = lane
    let at = waiting.length
    // An item that is delivered again may be older.
    while ((waiting[at - 1]?.seq ?? 0) > item.seq) at--
    waiting.splice(at, 0, item)
    this.#size++
    if (lane.state === 'free') this.#free.add(lane)
  }

  /** Returns the next item to begin. Its lane is busy until {@link finish} or {@link rest}. */
  next(): Item | undefined {
    const [lane] = this.#free
    if (!lane) return undefined
    this.#free.delete(lane)
    lane.state = 'busy'
    this.#size--
    return lane.waiting.shift()
  }

  /** An item has ended: the next one of its lane may begin. */
  finish({ lane: name }: Item): void {
    const lane = this.#lanes.get(name)
    if (lane) this.#release(lane)
  }

  /** Puts an item back in front of its lane. After `delay` ms it may begin again, and `then` is called. */
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

  /** Removes all items that have not begun. Returns them in the order of the stream. */
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
