import type { SpanwireError } from '../../sdk/wire/errors.ts'
import { MOST_IN_BATCH } from './atomic-batch.ts'
import type { Incoming } from './foreign.ts'
import type { MappedIn } from './map-in.ts'
import { type LaneStore, Moved, type StoreItem } from './store.ts'

/** The relay of a lane. */
export interface LaneOwner {
  /** Maps a message to an event. */
  map(incoming: Incoming): MappedIn | Promise<MappedIn>
  /**
   * Stores a refused message in the dead letter.
   * @returns false if there is none, or if it refuses the message. The lane then stops at the message
   * @throws SpanwireError (as rejection) `aborted`
   */
  refuse(incoming: Incoming, error: SpanwireError): Promise<boolean>
  /** Called with messages that are stored, ignored or in the dead letter. */
  done(batch: readonly Incoming[], result: LaneResult): void
  /** Called with messages that leave the memory unsettled, as the lane stopped or failed. The broker delivers them again. */
  dropped(messages: readonly Incoming[]): void
  /** Called when the lane has ended with an error, such as {@link Fenced}. */
  broken(lane: string, error: unknown): void
}

/** Counts of a part of a lane. */
export interface LaneResult {
  /** Stored messages. */
  readonly relayed: number
  /** Messages that the stream had already. */
  readonly duplicates: number
  /** Messages that came from the event's own stream. */
  readonly loops: number
  /** Ignored tombstones. */
  readonly ignored: number
  /** Messages with a position up to the lane's checkpoint. */
  readonly repeated: number
}

/** Messages of a part. The checkpoint is one more. */
const MOST = MOST_IN_BATCH - 1
/** Payload bytes of a part. nats-server keeps a batch in memory until its commit. */
const MOST_BYTES = 4 * 1024 * 1024

/** The messages of one lane. They are stored in order, in parts. */
export class Lane {
  readonly name: string
  readonly #store: LaneStore
  readonly #owner: LaneOwner
  #waiting: Incoming[] = []
  #running: Promise<void> | undefined
  /** The position up to which the lane is stored. Undefined if the lane has no positions. */
  #position: number | undefined
  #isOpen = false
  #isStopped = false
  #isClosed = false

  constructor(name: string, store: LaneStore, owner: LaneOwner) {
    this.name = name
    this.#store = store
    this.#owner = owner
  }

  /** Adds messages. Returns false if the lane is closed or stopped. */
  add(batch: readonly Incoming[]): boolean {
    if (this.#isClosed || this.#isStopped) return false
    for (const one of batch) this.#waiting.push(one)
    this.#run()
    return true
  }

  /** Messages that are not part of the current attempt. */
  get waiting(): readonly Incoming[] {
    return this.#waiting
  }

  /** Drops waiting messages. Resolves when the current attempt has ended. */
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
    // Messages of one turn of the event loop form one part.
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

  /** Relays a part. The previous relay of the lane may have stored its beginning. */
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

/** Removes the first messages that fit into one batch, at least one. */
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
