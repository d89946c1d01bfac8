import { createRandom } from '../../support/seed.ts'

interface Event {
  readonly at: number
  /** Order of events with the same time. */
  readonly n: number
  readonly run: () => void
}

/** A discrete-event simulation: runs events in the order of their times. Its seed determines all random numbers. */
export class Simulator {
  readonly random: () => number
  /** Current time, in ms. */
  now = 0
  /** Binary heap: every event is due before its children, at 2i + 1 and 2i + 2. */
  readonly #heap: Event[] = []
  #scheduled = 0

  constructor(seed: number) {
    this.random = createRandom(seed)
  }

  /** Runs `run` in `delay` ms. */
  after(delay: number, run: () => void): void {
    const heap = this.#heap
    const event = { at: this.now + Math.max(0, delay), n: ++this.#scheduled, run }
    let at = heap.length
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = heap[parent] as Event
      if (!isBefore(event, above)) break
      heap[at] = above
      at = parent
    }
    heap[at] = event
  }

  /** Runs all events up to `until` ms. */
  run(until = Number.POSITIVE_INFINITY): void {
    for (let next = this.#heap[0]; next; next = this.#heap[0]) {
      if (next.at > until) return
      this.#removeFirst()
      this.now = next.at
      next.run()
    }
  }

  #removeFirst(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (!last || heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Event, heap[child] as Event)) child++
      const below = heap[child] as Event
      if (!isBefore(below, last)) break
      heap[at] = below
      at = child
    }
    heap[at] = last
  }
}

/** A task of a processor. */
interface Task {
  /** Called when the task begins. Returns its duration in ms. */
  readonly begin: () => number
  readonly done: (() => void) | undefined
}

/** A processor that does one task at a time, in the order of arrival. */
export class Processor {
  readonly #simulator: Simulator
  #tasks: Task[] = []
  #next = 0
  #isBusy = false
  /** Time that was spent on tasks, in ms. */
  busy = 0

  constructor(simulator: Simulator) {
    this.#simulator = simulator
  }

  /** Adds a task with its duration in ms, which may depend on the time when it begins. `done` runs at its end. */
  work(cost: number | (() => number), done?: () => void): void {
    const begin = typeof cost === 'number' ? () => cost : cost
    this.#tasks.push({ begin, done })
    if (!this.#isBusy) this.#start()
  }

  #start(): void {
    const task = this.#tasks[this.#next++]
    this.#isBusy = task !== undefined
    if (!task) {
      this.#tasks = []
      this.#next = 0
      return
    }
    if (this.#next === 1_024) {
      this.#tasks.splice(0, this.#next)
      this.#next = 0
    }
    const cost = task.begin()
    this.busy += cost
    this.#simulator.after(cost, () => {
      task.done?.()
      this.#start()
    })
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.n < b.n)
}

/** The value below which `share` of the sorted values are. */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}
