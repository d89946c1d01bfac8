import { MOST_IN_BATCH } from '../../sdk/bus/atomic-batch.ts'
import type { SpanwireError } from '../../sdk/wire/errors.ts'
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
/** Waiting messages from which on the next part does not wait for this one. Fewer form a larger part with later ones. */
const ENOUGH = 250

/** A part that is being stored. */
interface Attempt {
  readonly part: readonly Incoming[]
  /** The messages before the one at which the lane stops; all if it does not stop. */
  readonly done: readonly Incoming[]
  /** Rejects if the part cannot be stored. */
  readonly stored: Promise<LaneResult>
}

/** The messages of one lane. They are stored in order, in parts. */
export class Lane {
  readonly name: string
  readonly #store: LaneStore
  readonly #owner: LaneOwner
  #waiting: Incoming[] = []
  #running: Promise<void> | undefined
  /** The position up to which the lane is stored or being stored. Undefined if the lane has no positions. */
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

  /** Messages that are not being stored. */
  get waiting(): readonly Incoming[] {
    return this.#waiting
  }

  /** Drops waiting messages. Resolves when the parts that are being stored have ended. */
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
    const attempts: Attempt[] = []
    try {
      while (!this.#isStopped) {
        if (this.#mayBegin(attempts)) attempts.push(await this.#begin())
        else if (attempts.length > 0) await this.#finish(attempts)
        else return
      }
    } catch (error) {
      await Promise.allSettled(attempts.map(({ stored }) => stored))
      this.#owner.dropped(attempts.flatMap(({ part }) => part))
      throw error
    }
  }

  #mayBegin(attempts: readonly Attempt[]): boolean {
    const last = attempts.at(-1)
    const { length } = this.#waiting
    if (length === 0 || this.#isClosed) return false
    if (!last) return true
    return attempts.length < this.#store.depth && length >= ENOUGH && last.done.length === last.part.length
  }

  /** Maps the next part, and begins to store it. */
  async #begin(): Promise<Attempt> {
    if (!this.#isOpen) {
      this.#position = await this.#store.open()
      this.#isOpen = true
    }
    const part = takePart(this.#waiting)
    try {
      return await this.#attempt(part)
    } catch (error) {
      this.#owner.dropped(part)
      throw error
    }
  }

  /** Waits until the oldest part is stored. */
  async #finish(attempts: Attempt[]): Promise<void> {
    const [{ part, done, stored }] = attempts as [Attempt]
    let result: LaneResult
    try {
      result = await stored
    } catch (error) {
      if (!(error instanceof Moved)) throw error
      // The previous relay of the lane has stored more. It may have stored the beginning of these parts.
      await Promise.allSettled(attempts.map((one) => one.stored))
      this.#waiting.unshift(...attempts.splice(0).flatMap((one) => one.part))
      this.#position = (await this.#store.open()) ?? this.#position
      return
    }
    attempts.shift()
    if (done.length > 0) this.#owner.done(done, result)
    if (done.length === part.length) return
    this.#isStopped = true
    this.#owner.dropped([...part.slice(done.length), ...this.#waiting.splice(0)])
  }

  async #attempt(part: readonly Incoming[]): Promise<Attempt> {
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
        else if (mapped.kind === 'refused' && !(await this.#owner.refuse(one, mapped.error))) break
      }
      done.push(one)
    }
    const position = done.at(-1)?.position
    const isNew = done.length > result.repeated
    if (!isNew || (items.length === 0 && position === undefined)) return { part, done, stored: Promise.resolve(result) }
    this.#position = position ?? this.#position
    const stored = this.#store.store({ items, position }).then(({ duplicates }) => {
      return { ...result, duplicates, relayed: items.length - duplicates }
    })
    // It is awaited after the parts before it.
    stored.catch(() => {})
    return { part, done, stored }
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
