import type { JetStreamApi, StreamState } from '../../sdk/jetstream/api.ts'
import { type Page, readPage } from '../../sdk/jetstream/page.ts'
import { createBackoff } from '../../sdk/kit/backoff.ts'
import { pause } from '../../sdk/kit/pause.ts'
import { clip, missingFrom, type SequenceRanges } from '../../sdk/wire/sequence-ranges.ts'
import { type Budget, type Ring, sizeOf } from './ring.ts'

/** A page, and which of its sequences the stream has lost. */
interface ReadPage extends Page {
  readonly missing: SequenceRanges
  /** What it takes in memory, about. */
  readonly size: number
}

const PAGE = { messages: 512, bytes: 512 * 1024 }
/** Pages that are kept for who comes next. */
const KEPT = 4
/** Delays before a page that was empty, or that failed, is read again. */
const RETRIES = { first: 200, longest: 2_000 }

/** Reads what is older than the ring: one page at a time, shared by all who wait for it. */
export class Backlog {
  readonly #api: JetStreamApi
  readonly #stream: StreamState
  readonly #filter: string
  readonly #ring: Ring
  readonly #budget: Budget
  #pages: ReadPage[] = []
  #waiting: Array<{ readonly next: number; readonly run: () => void }> = []
  #reading = false
  #closed = false

  constructor(api: JetStreamApi, stream: StreamState, filter: string, ring: Ring, budget: Budget) {
    this.#api = api
    this.#stream = stream
    this.#filter = filter
    this.#ring = ring
    this.#budget = budget
  }

  /** A page that was read and has this sequence. */
  pageAt(seq: number): ReadPage | undefined {
    return this.#pages.find(({ from, to }) => from <= seq && seq <= to)
  }

  /** Calls `run` when there may be a page, or a ring, that has `next`. */
  read(next: number, run: () => void): void {
    this.#waiting.push({ next, run })
    if (!this.#reading) void this.#readAll()
  }

  close(): void {
    this.#closed = true
    this.#waiting = []
    this.#keep([])
  }

  async #readAll(): Promise<void> {
    this.#reading = true
    const backoff = createBackoff(RETRIES)
    while (this.#waiting.length > 0 && !this.#closed) {
      if (await this.#readOne().catch(() => false)) {
        backoff.failures = 0
        for (const { run } of this.#waiting.splice(0)) run()
      } else {
        await pause(backoff.next())
      }
      // Whoever waited has had what there was room for. Who wants the rest reads it again: that is slower, and bounded.
      if (this.#budget.isOver) this.#keep([])
    }
    this.#reading = false
  }

  #keep(pages: ReadPage[]): void {
    for (const { size } of this.#pages) this.#budget.take(-size)
    for (const { size } of pages) this.#budget.take(size)
    this.#pages = pages
  }

  /** Returns whether there may be something to read now. False: try again later. */
  async #readOne(): Promise<boolean> {
    const ring = this.#ring
    const first = this.#waiting[0]?.next ?? 0
    // Whoever is a little behind the first gets there with the same page.
    const from = this.#waiting.reduce(
      (low, { next }) => (next >= first - PAGE.messages ? Math.min(low, next) : low),
      first,
    )
    const end = ring.floor - 1
    if (from > end) return true
    const page = await readPage(this.#api, { stream: this.#stream.name, filter: this.#filter, from, to: end }, PAGE)
    if (this.#closed) return true
    if (page.to < page.from) return false
    // Read after the page: what is in neither is gone.
    const state = await this.#api.streamState(this.#stream.name, { deleted: true })
    // Another stream of the same name: its consumer will tell.
    if (!state || state.epoch !== this.#stream.epoch) return false
    const here = new Set(page.messages.map(({ seq }) => seq))
    const gone = clip(missingFrom(state), page.from, page.to)
    // Removed between the two reads: it came all the same.
    const missing = gone.flatMap((range) => without(range.from, range.to, here))
    // What the ring takes is not kept twice.
    if (page.to === ring.floor - 1 && ring.prepend(page.from, page.messages, missing)) return true
    const size = page.messages.reduce((sum, message) => sum + sizeOf(message), 0)
    this.#keep([{ ...page, missing, size }, ...this.#pages].slice(0, KEPT))
    return true
  }
}

function without(from: number, to: number, here: ReadonlySet<number>): SequenceRanges {
  const inside = [...here].filter((seq) => seq >= from && seq <= to)
  if (inside.length === 0) return [{ from, to }]
  const ranges: Array<{ from: number; to: number }> = []
  let at = from
  for (const seq of [...inside, to + 1]) {
    if (seq > at) ranges.push({ from: at, to: seq - 1 })
    at = seq + 1
  }
  return ranges
}
