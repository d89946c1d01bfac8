import type { StoredMessage } from '../../sdk/jetstream/jetstream-link.ts'
import { decode } from '../../sdk/wire/bytes.ts'
import { clip, type SequenceRanges } from '../../sdk/wire/sequence-ranges.ts'
import type { Reserve } from '../budget/budget.ts'

/** Bounds of messages in memory. */
export interface RingLimits {
  readonly messages: number
  readonly bytes: number
}

/** Memory of a message with the frame that its last follower got, as a multiple of its own size. */
const WITH_FRAME = 2

/** Counts messages in the cache of all feeds. */
export function takeFrom(cache: Reserve, bytes: number): void {
  cache.take(WITH_FRAME * bytes)
}

/** Approximate memory of a message and its frame, in bytes. */
export function memoryOf(message: StoredMessage): number {
  return WITH_FRAME * sizeOf(message)
}

/** Approximate memory of a message, in bytes. */
export function sizeOf({ subject, headerBlock, payload }: StoredMessage): number {
  return 200 + subject.length + (headerBlock?.length ?? 0) + payload.length
}

/** The newest messages of a filter: all that the stream had from sequence `floor` to `head`. */
export class Ring {
  readonly #limits: RingLimits
  readonly #cache: Reserve
  #messages: StoredMessage[] = []
  #bytes = 0
  #missing: SequenceRanges = []
  floor: number
  head: number

  /** @param next the first sequence that may be added */
  constructor(next: number, limits: RingLimits, cache: Reserve) {
    this.#limits = limits
    this.#cache = cache
    this.floor = next
    this.head = next - 1
  }

  get messages(): readonly StoredMessage[] {
    return this.#messages
  }

  /** Sequences between floor and head that the stream lost before they arrived here. */
  get missing(): SequenceRanges {
    return this.#missing
  }

  /** Index of the first message with sequence `seq` or a later one. */
  indexFrom(seq: number): number {
    let low = 0
    let high = this.#messages.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#messages[middle] as StoredMessage).seq < seq) low = middle + 1
      else high = middle
    }
    return low
  }

  add(message: StoredMessage): void {
    // The stream has removed earlier messages with it. Those that remain are read again.
    if (isRollUp(message)) this.clear()
    this.#messages.push(message)
    this.#take(sizeOf(message))
    this.head = message.seq
    // A quarter at a time: otherwise a full ring would move all of its content for each message.
    if (this.#isFull) this.#drop(Math.max(1, this.#messages.length >> 2))
  }

  /** Adds sequences after the head that the stream has lost. */
  addMissing(missing: SequenceRanges): void {
    if (missing.length > 0) this.#missing = [...this.#missing, ...missing]
  }

  /** Adds messages right before the floor, if there is room. Returns whether there was. */
  prepend(from: number, messages: readonly StoredMessage[], missing: SequenceRanges): boolean {
    const bytes = messages.reduce((sum, message) => sum + sizeOf(message), 0)
    const { messages: most, bytes: mostBytes } = this.#limits
    if (messages.length + this.#messages.length > most || bytes + this.#bytes > mostBytes) return false
    if (!this.#cache.hasRoomFor(WITH_FRAME * bytes)) return false
    this.#messages = [...messages, ...this.#messages]
    this.#take(bytes)
    this.#missing = [...missing, ...this.#missing]
    this.floor = from
    return true
  }

  clear(): void {
    this.#drop(this.#messages.length)
  }

  get #isFull(): boolean {
    const { messages, bytes } = this.#limits
    return this.#messages.length > messages || this.#bytes > bytes || this.#cache.isOver
  }

  #drop(count: number): void {
    const dropped = this.#messages.splice(0, count)
    this.#take(-dropped.reduce((sum, message) => sum + sizeOf(message), 0))
    this.floor = (dropped.at(-1)?.seq ?? this.floor - 1) + 1
    this.#missing = clip(this.#missing, this.floor, Number.MAX_SAFE_INTEGER)
  }

  #take(bytes: number): void {
    this.#bytes += bytes
    takeFrom(this.#cache, bytes)
  }
}

/** Whether a stream removed the earlier messages of a subject, or of all, when it stored this one. */
function isRollUp({ headerBlock }: StoredMessage): boolean {
  return headerBlock !== undefined && decode(headerBlock).includes('\r\nNats-Rollup:')
}
