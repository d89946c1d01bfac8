import type { JetStreamApi, StreamState } from '../../sdk/jetstream/api.ts'
import { type Page, readPage } from '../../sdk/jetstream/page.ts'
import { isSpanwireError } from '../../sdk/wire/errors.ts'
import { clip, missingFrom, type SequenceRanges } from '../../sdk/wire/sequence-ranges.ts'
import type { Reserve } from '../budget/budget.ts'
import { type Ring, sizeOf, takeFrom } from './ring.ts'

/** A page, and the sequences in it that the stream has lost. */
interface ReadPage extends Page {
  readonly missing: SequenceRanges
  /** Approximate memory, in bytes. */
  readonly size: number
}

const PAGE = { messages: 512, bytes: 512 * 1024 }
/** Number of pages that are kept for other followers. */
const KEPT = 4
/** Wait before the next read, in ms: after an empty one, and after one that failed. */
const AGAIN = 100
const RETRY = 500

/** A filter of a stream, and the ring that has its newest messages. */
interface BacklogSource {
  readonly stream: StreamState
  readonly filter: string
  readonly ring: Ring
  readonly cache: Reserve
  /** The stream refuses to be read; see {@link isRefusal}. */
  refused(): void
}

/** Reads messages that are older than the ring: one page at a time, shared by all followers that need it. */
export class Backlog {
  readonly #api: JetStreamApi
  readonly #source: BacklogSource
  #pages: ReadPage[] = []
  #waiting: Array<{ readonly next: number; readonly run: () => void }> = []
  #reading = false
  #closed = false

  constructor(api: JetStreamApi, source: BacklogSource) {
    this.#api = api
    this.#source = source
  }

  /** The page in memory that has this sequence. */
  pageAt(seq: number): ReadPage | undefined {
    return this.#pages.find(({ from, to }) => from <= seq && seq <= to)
  }

  /** Reads a page with the sequence `next`, and calls `run` when it, or the ring, may have it. */
  read(next: number, run: () => void): void {
    this.#waiting.push({ next, run })
    if (!this.#reading) void this.#readAll()
  }

  /** Drops the pages in memory. */
  shed(): void {
    this.#keep([])
  }

  close(): void {
    this.#closed = true
    this.#waiting = []
    this.#keep([])
  }

  async #readAll(): Promise<void> {
    this.#reading = true
    while (this.#waiting.length > 0 && !this.#closed) {
      const pause = await this.#readOne().catch((error) => {
        if (isRefusal(error)) this.#source.refused()
        return RETRY
      })
      if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause))
      else for (const { run } of this.#waiting.splice(0)) run()
      // Waiting followers have taken a part already. They read the rest again, which is slower but bounded.
      if (this.#source.cache.isOver) this.#keep([])
    }
    this.#reading = false
  }

  #keep(pages: ReadPage[]): void {
    const { cache } = this.#source
    for (const { size } of this.#pages) takeFrom(cache, -size)
    for (const { size } of pages) takeFrom(cache, size)
    this.#pages = pages
  }

  /** Returns the wait before the next attempt, in ms. */
  async #readOne(): Promise<number> {
    const { stream, filter, ring } = this.#source
    const first = this.#waiting[0]?.next ?? 0
    // The page also serves followers that are a little behind the first.
    const from = this.#waiting.reduce(
      (low, { next }) => (next >= first - PAGE.messages ? Math.min(low, next) : low),
      first,
    )
    const end = ring.floor - 1
    if (from > end) return 0
    const page = await readPage(this.#api, stream.name, filter, from, end, PAGE)
    if (this.#closed) return 0
    if (page.to < page.from) return AGAIN
    // Read after the page: a sequence that is in neither is missing.
    const state = await this.#api.streamState(stream.name, { deleted: true })
    // Another stream of the same name. The consumer will notice it.
    if (!state || state.epoch !== stream.epoch) return RETRY
    const here = new Set(page.messages.map(({ seq }) => seq))
    const removed = clip(missingFrom(state), page.from, page.to)
    // A message that was removed between the two reads is here.
    const missing = removed.flatMap((range) => without(range.from, range.to, here))
    if (page.to === ring.floor - 1 && ring.prepend(page.from, page.messages, missing)) return 0
    const size = page.messages.reduce((sum, message) => sum + sizeOf(message), 0)
    this.#keep([{ ...page, missing, size }, ...this.#pages].slice(0, KEPT))
    return 0
  }
}

/** Whether JetStream has refused a request for good. Asking again at once would not help: it has too many consumers, say. */
export function isRefusal(error: unknown): boolean {
  return isSpanwireError(error, 'stream-conflict')
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
