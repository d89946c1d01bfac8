import type { JetStreamApi, StreamState } from '../../sdk/jetstream/api.ts'
import { type Page, readPage } from '../../sdk/jetstream/page.ts'
import { createBackoff } from '../../sdk/kit/backoff.ts'
import { pause } from '../../sdk/kit/pause.ts'
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
/** Delays before a page that was empty, or that failed, is read again. */
const RETRIES = { first: 200, longest: 2_000 }

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
    const backoff = createBackoff(RETRIES)
    while (this.#waiting.length > 0 && !this.#closed) {
      if (await this.#readOne().catch((error) => this.#failed(error))) {
        backoff.failures = 0
        for (const { run } of this.#waiting.splice(0)) run()
      } else {
        await pause(backoff.next())
      }
      // Waiting followers have taken a part already. They read the rest again, which is slower but bounded.
      if (this.#source.cache.isOver) this.#keep([])
    }
    this.#reading = false
  }

  #failed(error: unknown): false {
    if (isRefusal(error)) this.#source.refused()
    return false
  }

  #keep(pages: ReadPage[]): void {
    const { cache } = this.#source
    for (const { size } of this.#pages) takeFrom(cache, -size)
    for (const { size } of pages) takeFrom(cache, size)
    this.#pages = pages
  }

  /** Returns whether there may be a page now. False: read again later. */
  async #readOne(): Promise<boolean> {
    const { stream, filter, ring } = this.#source
    const first = this.#waiting[0]?.next ?? 0
    // The page also serves followers that are a little behind the first.
    const from = this.#waiting.reduce(
      (low, { next }) => (next >= first - PAGE.messages ? Math.min(low, next) : low),
      first,
    )
    const end = ring.floor - 1
    if (from > end) return true
    const page = await readPage(this.#api, { stream: stream.name, filter, from, to: end }, PAGE)
    if (this.#closed) return true
    if (page.to < page.from) return false
    // Read after the page: a sequence that is in neither is missing.
    const state = await this.#api.streamState(stream.name, { deleted: true })
    // Another stream of the same name. The consumer will notice it.
    if (!state || state.epoch !== stream.epoch) return false
    const here = new Set(page.messages.map(({ seq }) => seq))
    const removed = clip(missingFrom(state), page.from, page.to)
    // A message that was removed between the two reads is here.
    const missing = removed.flatMap((range) => without(range.from, range.to, here))
    if (page.to === ring.floor - 1 && ring.prepend(page.from, page.messages, missing)) return true
    const size = page.messages.reduce((sum, message) => sum + sizeOf(message), 0)
    this.#keep([{ ...page, missing, size }, ...this.#pages].slice(0, KEPT))
    return true
  }
}

/** Whether JetStream has refused a request, such as because of too many consumers. An immediate retry would fail as well. */
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
