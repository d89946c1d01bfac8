import { SpanwireError } from './errors.ts'

const NEWLINE = 10
const RETURN = 13
const EMPTY = new Uint8Array(0)
// A byte order mark is part of the text here, not something to drop.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** What the owner of a {@link Framer} does with what it cuts out of the byte stream. */
export interface FrameHandler {
  /**
   * One control line, without its line end.
   * @returns how many payload bytes follow it, or -1 if none do. Throwing ends the framer.
   */
  line(line: string): number
  /** The payload of the last line. A view: it keeps the chunk it came from alive. */
  payload(bytes: Uint8Array): void
  /** Whether a line over the maximum is permitted, by the bytes that have arrived. Default: none is. */
  longLine?(line: Uint8Array): boolean
}

/**
 * Cuts a NATS byte stream into control lines and payloads, however the network split or joined it.
 * It knows no verbs.
 * Source: https://docs.nats.io/reference/reference-protocols/nats-protocol
 */
export class Framer {
  readonly #handler: FrameHandler
  readonly #maxLine: number
  /**
   * The beginning of a line or payload that is not complete. Copied into one growing buffer: a list of chunks would
   * cost a client that sends single bytes nothing, and us a hundred times what it sent.
   */
  #held: Uint8Array = EMPTY
  #heldLength = 0
  /** Payload bytes the current line announced, or -1 between lines. */
  #expected = -1
  #paused = false

  /**
   * @param maxLine longest control line in bytes (nats-server: 4,096). A line that doesn't end would otherwise
   * grow until memory is gone.
   */
  constructor(handler: FrameHandler, maxLine: number) {
    this.#handler = handler
    this.#maxLine = maxLine
  }

  /**
   * Takes the next bytes of the stream; while it is paused, it only holds them.
   * @throws SpanwireError `protocol-violation`; `payload-too-large` for a line over the maximum; errors of the handler. The
   * framer can't be used after that.
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

  /** For the handler: nothing is handed to it after this one, until {@link resume}. */
  pause(): void {
    this.#paused = true
  }

  /**
   * Goes on with what is held.
   * @throws as `push` does
   */
  resume(): void {
    this.#paused = false
    this.#cut(this.#release())
  }

  get paused(): boolean {
    return this.#paused
  }

  /** Bytes that came in and were not handed on. */
  get held(): number {
    return this.#heldLength
  }

  /** Bytes of memory that this takes. */
  get memory(): number {
    return this.#held.length
  }

  /** Drops what is held. Nothing is handed on any more. */
  close(): void {
    this.#paused = true
    this.#release()
  }

  /** Whether the stream stands in the middle of a line or payload. */
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
        this.#expected = this.#handler.line(decoder.decode(bytes.subarray(at, stop)))
        at = end + 1
      }
    }
    if (at === bytes.length) return
    const rest = bytes.subarray(at)
    // What is most of its buffer is not copied. Nor is what waits: it would be again at every pause.
    if (!this.#paused && 2 * rest.length < rest.buffer.byteLength) return this.#hold(rest)
    this.#held = rest
    this.#heldLength = rest.length
  }

  #hold(bytes: Uint8Array): void {
    const length = this.#heldLength + bytes.length
    if (length > this.#held.length) {
      // Twice as much each time, but no more than the payload needs.
      const most = this.#expected < 0 ? 2 * this.#held.length : Math.min(2 * this.#held.length, this.#expected + 2)
      const grown = new Uint8Array(Math.max(length, most))
      grown.set(this.#held.subarray(0, this.#heldLength))
      this.#held = grown
    }
    this.#held.set(bytes, this.#heldLength)
    this.#heldLength = length
  }

  /** What was held, given away: payloads are views of it. */
  #release(): Uint8Array {
    const bytes = this.#held.subarray(0, this.#heldLength)
    this.#held = EMPTY
    this.#heldLength = 0
    return bytes
  }
}
