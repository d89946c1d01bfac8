import { decode } from './bytes.ts'
import { SpanwireError } from './errors.ts'

const NEWLINE = 10
const RETURN = 13
const EMPTY = new Uint8Array(0)

/** Receives the lines and payloads of a {@link Framer}. */
export interface FrameHandler {
  /**
   * Called with each control line, without its line end. Throwing ends the framer.
   * @returns the length of the payload that follows, in bytes, or -1 without a payload
   */
  line(line: string): number
  /** Called with the payload of the last line. It is a view of the chunk that it arrived in. */
  payload(bytes: Uint8Array): void
  /** Whether a line over the maximum is permitted, by the bytes that have arrived. Default: none is. */
  longLine?(line: Uint8Array): boolean
}

/**
 * Splits a NATS byte stream into control lines and payloads, independent of the chunks of the network. It does not
 * interpret verbs.
 * Source: https://docs.nats.io/reference/reference-protocols/nats-protocol
 */
export class Framer {
  readonly #handler: FrameHandler
  readonly #maxLine: number
  /**
   * The beginning of an incomplete line or payload, in one growing buffer. With a list of chunks, a client that sends
   * single bytes would use a hundred times their memory.
   */
  #held: Uint8Array = EMPTY
  #heldLength = 0
  /** Length of the payload of the current line, or -1 between lines. */
  #expected = -1
  #paused = false

  /**
   * @param maxLine longest control line, in bytes (nats-server: 4,096). It bounds the memory of a line without an end
   */
  constructor(handler: FrameHandler, maxLine: number) {
    this.#handler = handler
    this.#maxLine = maxLine
  }

  /**
   * Takes the next bytes of the stream. A paused framer only stores them.
   * @throws SpanwireError `protocol-violation`, `payload-too-large` for a line over the maximum, and errors of the handler.
   * The framer can't be used after that.
   */
  push(chunk: Uint8Array): void {
    if (this.#paused) return this.#hold(chunk)
    if (this.#heldLength === 0) return this.#cut(chunk)
    this.#hold(chunk)
    const whole =
      this.#expected < 0
        ? this.#heldLength > this.#maxLine || chunk.includes(NEWLINE)
        : this.#heldLength >= this.#expected + 2
    if (whole) this.#cut(this.#release())
  }

  /** Called by the handler: it receives no more lines and payloads until {@link resume}. */
  pause(): void {
    this.#paused = true
  }

  /**
   * Processes the stored bytes.
   * @throws the errors of `push`
   */
  resume(): void {
    this.#paused = false
    this.#cut(this.#release())
  }

  /** Whether the framer is paused. */
  get paused(): boolean {
    return this.#paused
  }

  /** Number of bytes that are stored. */
  get held(): number {
    return this.#heldLength
  }

  /** Memory in use, in bytes. */
  get memory(): number {
    return this.#held.length
  }

  /** Drops the stored bytes. The handler receives nothing after this. */
  close(): void {
    this.#paused = true
    this.#release()
  }

  /** Whether a line or payload is incomplete. */
  get midway(): boolean {
    return this.#heldLength > 0 || this.#expected >= 0
  }

  #cut(bytes: Uint8Array): void {
    let at = 0
    while (at < bytes.length && !this.#paused) {
      if (this.#expected >= 0) {
        const end = at + this.#expected
        if (end + 2 > bytes.length) break
        if (bytes[end] !== RETURN || bytes[end + 1] !== NEWLINE) {
          throw new SpanwireError('protocol-violation', 'Unknown Protocol Operation')
        }
        this.#expected = -1
        this.#handler.payload(bytes.subarray(at, end))
        at = end + 2
      } else {
        const end = bytes.indexOf(NEWLINE, at)
        const length = (end < 0 ? bytes.length : end) - at
        if (length > this.#maxLine && !this.#handler.longLine?.(bytes.subarray(at, at + length))) {
          throw new SpanwireError('payload-too-large', 'maximum control line exceeded')
        }
        if (end < 0) break
        const stop = end > at && bytes[end - 1] === RETURN ? end - 1 : end
        this.#expected = this.#handler.line(decode(bytes.subarray(at, stop)))
        at = end + 1
      }
    }
    if (at === bytes.length) return
    const rest = bytes.subarray(at)
    // Not copied: bytes that take up most of their buffer, and bytes that wait, which the next pause would copy again.
    if (!this.#paused && 2 * rest.length < rest.buffer.byteLength) return this.#hold(rest)
    this.#held = rest
    this.#heldLength = rest.length
  }

  #hold(bytes: Uint8Array): void {
    const length = this.#heldLength + bytes.length
    if (length > this.#held.length) {
      // Double the size each time, up to the size of the payload.
      const most = this.#expected < 0 ? 2 * this.#held.length : Math.min(2 * this.#held.length, this.#expected + 2)
      const grown = new Uint8Array(Math.max(length, most))
      grown.set(this.#held.subarray(0, this.#heldLength))
      this.#held = grown
    }
    this.#held.set(bytes, this.#heldLength)
    this.#heldLength = length
  }

  /** Returns the stored bytes. They are not reused, because payloads are views of them. */
  #release(): Uint8Array {
    const bytes = this.#held.subarray(0, this.#heldLength)
    this.#held = EMPTY
    this.#heldLength = 0
    return bytes
  }
}
