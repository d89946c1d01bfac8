import type { SendQueue } from '../delivery/send-queue.ts'

/** Memory of an answer that waits, in addition to its bytes. */
const OVERHEAD = 200

const PONG = new TextEncoder().encode('PONG\r\n')

/** Services that {@link Answers} uses. */
export interface AnswerServices {
  /** Same as {@link SharedUpstream.confirm}. */
  confirm(operation: number): Promise<unknown> | undefined
  /** The number of unanswered PINGs has changed. */
  changed(): void
  /** More answers wait. */
  memoryChanged(): void
  /** A PONG was sent. */
  ponged(): void
}

/** PINGs whose PONG waits for a confirmation by the broker, and the frames after it. */
interface Pending {
  readonly operation: number
  pings: number
  readonly after: Uint8Array[]
}

/** Sends answers in the order of the client's operations. A PONG may have to wait, and later answers wait for it. */
export class Answers {
  readonly #sendQueue: Pick<SendQueue, 'write'>
  readonly #services: AnswerServices
  readonly #pending: Pending[] = []
  #lastPong: Promise<void> | undefined
  /** Approximate memory of answers that wait, in bytes. */
  memory = 0

  constructor(sendQueue: Pick<SendQueue, 'write'>, services: AnswerServices) {
    this.#sendQueue = sendQueue
    this.#services = services
  }

  /** Number of unanswered PINGs. */
  get pings(): number {
    return this.#pending.reduce((sum, { pings }) => sum + pings, 0)
  }

  /** Sends a frame after all earlier answers. */
  send(frame: Uint8Array): void {
    const last = this.#pending.at(-1)
    if (!last) return this.#sendQueue.write(frame)
    last.after.push(frame)
    this.#hold(frame.length + OVERHEAD)
  }

  /** Answers a PING once the broker has processed `operation` and all earlier ones. */
  pong(operation: number): void {
    const last = this.#pending.at(-1)
    // Many PINGs for one operation take the memory of one.
    if (last?.operation === operation && last.after.length === 0) {
      last.pings++
      return
    }
    const confirmed = this.#services.confirm(operation)
    if (!confirmed && !last) return this.#pong()
    const pending: Pending = { operation, pings: 1, after: [] }
    this.#pending.push(pending)
    this.#hold(OVERHEAD)
    this.#services.changed()
    this.#lastPong = Promise.all([confirmed, this.#lastPong]).then(() => {
      this.#pending.shift()
      this.memory -= pending.after.reduce((sum, { length }) => sum + length + OVERHEAD, OVERHEAD)
      for (let i = 0; i < pending.pings; i++) this.#pong()
      for (const frame of pending.after) this.#sendQueue.write(frame)
      this.#services.changed()
    })
  }

  #hold(bytes: number): void {
    this.memory += bytes
    this.#services.memoryChanged()
  }

  #pong(): void {
    this.#sendQueue.write(PONG)
    this.#services.ponged()
  }

  /** Sends frames that wait for a PONG now, and drops the PONGs: they would confirm too much. */
  flushWithoutPongs(): void {
    for (const { after } of this.#pending) for (const frame of after) this.#sendQueue.write(frame)
  }
}
