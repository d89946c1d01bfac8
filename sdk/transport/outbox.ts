import { encodeFrame } from '../protocol/bytes.ts'

/** Somebody who waits until the server has processed what was sent. Hears once; later calls do nothing. */
export interface Waiter {
  settle(error?: Error): void
}

// Frames are gathered up to this size: a bridge refuses frames of more than twice its max_payload.
const MAX_FRAME = 65_536
const PING = encodeFrame('PING')

/**
 * Gathers what is sent to one connection during one turn, so that it leaves together, followed by one PING: its PONG
 * says that the server has processed all of it.
 */
export class Outbox<Member extends Waiter> {
  readonly #write: (bytes: Uint8Array) => void
  #chunks: Uint8Array[] = []
  #size = 0
  #scheduled = false
  /** Who waits for the PONG of the next PING. */
  #next: Member[] = []
  /** Who waits for the PONG of each PING that was sent, oldest first. */
  #rounds: Member[][] = []

  constructor(write: (bytes: Uint8Array) => void) {
    this.#write = write
  }

  /** Those that an error is about which comes before the next PONG. */
  get oldest(): Member[] {
    return this.#rounds[0] ?? []
  }

  /** Sends `bytes`; with `waiter`, so that it hears when the server has processed them. */
  send(bytes?: Uint8Array, waiter?: Member): void {
    if (waiter) this.#next.push(waiter)
    if (!this.#scheduled) {
      this.#scheduled = true
      queueMicrotask(() => this.#ping())
    }
    if (bytes) this.#add(bytes)
  }

  /** Takes a PONG: returns who has waited for it. */
  ponged(): Member[] {
    return this.#rounds.shift() ?? []
  }

  /** Sends what was gathered now. Returns all who wait. */
  end(): Member[] {
    this.#flush()
    return [...this.#rounds.flat(), ...this.#next]
  }

  #ping(): void {
    this.#scheduled = false
    this.#rounds.push(this.#next)
    this.#next = []
    this.#add(PING)
    this.#flush()
  }

  #add(bytes: Uint8Array): void {
    if (this.#size + bytes.length > MAX_FRAME) this.#flush()
    this.#chunks.push(bytes)
    this.#size += bytes.length
  }

  #flush(): void {
    if (this.#size === 0) return
    const frame = new Uint8Array(this.#size)
    let at = 0
    for (const bytes of this.#chunks) {
      frame.set(bytes, at)
      at += bytes.length
    }
    this.#chunks = []
    this.#size = 0
    this.#write(frame)
  }
}
