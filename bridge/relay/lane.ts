import type { SpanwireError } from '../../sdk/wire/errors.ts'
import { MOST_IN_BATCH } from './atomic-batch.ts'
import type { Incoming } from './foreign.ts'
import type { MappedIn } from './map-in.ts'
import { type LaneStore, Moved, type StoreItem } from './store.ts'

/** What a lane needs of its relay. */
export interface LaneOwner {
  map(incoming: Incoming): MappedIn | Promise<MappedIn>
  /**
   * Puts a refused message aside.
   * @returns whether that worked: if not, the lane stops at the message
   * @throws SpanwireError `aborted`
   */
  refuse(incoming: Incoming, error: SpanwireError): Promise<boolean>
  /** These are done. */
  done(batch: readonly Incoming[], result: LaneResult): void
  /** These are no longer held: the lane stopped at a message that was refused, or failed. They come again. */
  dropped(messages: readonly Incoming[]): void
  /** The lane cannot go on: it was fenced, or something failed. */
  broken(lane: string, error: unknown): void
}

/** What became of a part of a lane. */
export interface LaneResult {
  readonly relayed: number
  readonly duplicates: number
  readonly loops: number
  readonly ignored: number
  /** Messages that were done before, by the lane's checkpoint. */
  readonly repeated: number
}

/** Room for the checkpoint. */
const MOST = MOST_IN_BATCH - 1
/** Of payloads in one batch, in bytes: the server holds a batch in memory until it is committed. */
const MOST_BYTES = 4 * 1024 * 1024

/** The messages of one lane, which are stored one part after the other, in order. */
export class Lane {
  readonly name: string
  readonly #store: LaneStore
  readonly #owner: LaneOwner
  #waiting: Incoming[] = []
  #running: Promise<void> | undefined
  /** The last position that is done; undefined if the lane has none. */
  #position: number | undefined
  #isOpen = false
  #isStopped = false
  #isClosed = false

  constructor(name: string, store: LaneStore, owner: LaneOwner) {
    this.name = name
    this.#store = store
    this.#owner = owner
  }

  /** Returns whether the lane takes messages. */
  add(batch: readonly Incoming[]): boolean {
    if (this.#isClosed || this.#isStopped) return false
    for (const one of batch) this.#waiting.push(one)
    this.#run()
    return true
  }

  /** Messages that have not begun. */
  get waiting(): readonly Incoming[] {
    return this.#waiting
  }

  /** Drops what has not begun. Resolves when what has begun is stored, or its store has failed. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#waiting = []
    await this.#running
  }

  #run(): void {
    if (this.#running || this.#isStopped) return
    this.#running = this.#work()
      .catch((error) => {
        this.#isStopped = true
        if (!this.#isClosed) this.#owner.broken(this.name, error)
      })
      .finally(() => {
        this.#running = undefined
        if (this.#waiting.length > 0 && !this.#isClosed) this.#run()
      })
  }

  async #work(): Promise<void> {
    // All that comes in one turn of the event loop is one part.
    await null
    while (this.#waiting.length > 0 && !this.#isClosed && !this.#isStopped) {
      if (!this.#isOpen) {
        this.#position = await this.#store.open()
        this.#isOpen = true
      }
      const part = takePart(this.#waiting)
      await this.#relay(part).catch((error) => {
        this.#owner.dropped(part)
        throw error
      })
    }
  }

  /** Relays a part. The relay that had the lane before may have stored the beginning of it meanwhile. */
  async #relay(part: readonly Incoming[]): Promise<void> {
    for (;;) {
      try {
        return await this.#attempt(part)
      } catch (error) {
        if (!(error instanceof Moved)) throw error
        this.#position = (await this.#store.open()) ?? this.#position
      }
    }
  }

  async #attempt(part: readonly Incoming[]): Promise<void> {
    const result = { relayed: 0, duplicates: 0, loops: 0, ignored: 0, repeated: 0 }
    const items: StoreItem[] = []
    const done: Incoming[] = []
    for (const one of part) {
      if (this.#isDone(one)) {
        result.repeated++
      } else {
        const given = this.#owner.map(one)
        const mapped = given instanceof Promise ? await given : given
        if (mapped.kind === 'event') items.push(mapped.item)
        else if (mapped.kind === 'loop') result.loops++
        else if (mapped.kind === 'ignored') result.ignored++
        else if (mapped.kind === 'refused' && !(await this.#owner.refuse(one, mapped.error))) {
          this.#isStopped = true
          break
        }
      }
      done.push(one)
    }
    const position = done.at(-1)?.position
    const isNew = done.length > result.repeated
    if (isNew && (items.length > 0 || position !== undefined)) {
      const { duplicates } = await this.#store.store({ items, position })
      result.duplicates = duplicates
      result.relayed = items.length - duplicates
      this.#position = position ?? this.#position
    }
    if (done.length > 0) this.#owner.done(done, result)
    if (this.#isStopped) this.#owner.dropped([...part.slice(done.length), ...this.#waiting.splice(0)])
  }

  #isDone({ position }: Incoming): boolean {
    return position !== undefined && this.#position !== undefined && position <= this.#position
  }
}

/** Takes as many from the front as fit into one batch; at least one. */
function takePart(waiting: Incoming[]): Incoming[] {
  let bytes = 0
  let count = 0
  for (const { payload } of waiting) {
    bytes += payload?.length ?? 0
    if (count > 0 && (bytes > MOST_BYTES || count >= MOST)) break
    count++
  }
  return waiting.splice(0, count)
}
