import { SpanwireError } from '../errors.ts'

const NEWLINE = 10
const RETURN = 13

/** What the owner of a {@link Framer} does with what it cuts out of the byte stream. */
export interface FrameHandler {
  /**
   * One control line, without its line end.
   * @returns how many payload bytes follow it, or -1 if none do. Throwing ends the framer.
   */
  line(line: string): number
  /** The payload of the last line. A view: it keeps the chunk it came from alive. */
  payload(bytes: Uint8Array): void
}

/**
 * Cuts a NATS byte stream into control lines and payloads, however the network split or joined it.
 * It knows no verbs, so both ends of a connection use it.
 * Source: https://docs.nats.io/reference/reference-protocols/nats-protocol
 */
export class Framer {
  readonly #handler: FrameHandler
  readonly #maxLine: number
  readonly #decoder = new TextDecoder()
  /** Chunks that end in the middle of a line or payload; joined once they are complete. */
  #held: Uint8Array[] = []
  #heldLength = 0
  /** Payload bytes the current line announced, or -1 between lines. */
  #expected = -1

  /**
   * @param maxLine longest control line in bytes (nats-server: 4,096). A line that doesn't end would otherwise
   * grow until memory is gone.
   */
  constructor(handler: FrameHandler, maxLine: number) {
    this.#handler = handler
    this.#maxLine = maxLine
  }

  /**
   * Takes the next bytes of the stream.
   * @throws SpanwireError `protocol-violation`, or whatever the handler throws; the framer can't be used after that
   */
  push(chunk: Uint8Array): void {
    let bytes = chunk
    if (this.#heldLength > 0) {
      const needed = this.#expected < 0 ? 0 : this.#expected + 2
      // A long payload is joined once, when it is whole, not once per chunk.
      if (this.#heldLength + chunk.length < needed) {
        this.#hold(chunk)
        return
      }
      bytes = this.#join(chunk)
    }
    let at = 0
    while (at < bytes.length) {
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
        if ((end < 0 ? bytes.length : end) - at > this.#maxLine) {
          throw new SpanwireError('protocol-violation', 'maximum control line exceeded')
        }
        if (end < 0) break
        const stop = end > at && bytes[end - 1] === RETURN ? end - 1 : end
        this.#expected = this.#handler.line(this.#decoder.decode(bytes.subarray(at, stop)))
        at = end + 1
      }
    }
    if (at < bytes.length) this.#hold(bytes.subarray(at))
  }

  /** Whether the stream stands in the middle of a line or payload. */
  get midway(): boolean {
    return this.#heldLength > 0 || this.#expected >= 0
  }

  #hold(bytes: Uint8Array): void {
    this.#held.push(bytes)
    this.#heldLength += bytes.length
  }

  #join(last: Uint8Array): Uint8Array {
    const bytes = new Uint8Array(this.#heldLength + last.length)
    let at = 0
    for (const chunk of this.#held) {
      bytes.set(chunk, at)
      at += chunk.length
    }
    bytes.set(last, at)
    this.#held = []
    this.#heldLength = 0
    return bytes
  }
}
