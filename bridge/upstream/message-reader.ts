import { decode, join } from '../../sdk/wire/bytes.ts'
import type { UpstreamMessage } from './upstream.ts'

const LF = 10
const CR = 13
const BLANK = 32
const H = 72
const M = 77
/** Longest control line of a server, in bytes. INFO lists the addresses of a whole cluster. */
const MAX_LINE = 65_536

/** One subscription. Each message of it reads this object, and as few others as possible: most of them are not in the cache. */
export interface Receiver {
  readonly filter: string
  /** Must not throw. */
  deliver(message: UpstreamMessage): void
}

/**
 * Reads messages from the bytes of a NATS server, however the network split or joined them, and passes on all other lines.
 * All messages of a hub go through here, so it creates as few objects as possible.
 * Source: https://docs.nats.io/reference/reference-protocols/nats-protocol
 */
export class MessageReader {
  readonly #others: (lines: Uint8Array) => void
  readonly #receivers = new Map<number, Receiver>()
  /** The beginning of an incomplete line or message. */
  #held: Uint8Array[] = []
  #heldLength = 0
  /** Bytes that are needed to continue. 0 if unknown. */
  #needed = 0
  /** Subject of the last message. With overlapping filters a message arrives several times in succession. */
  #subject = ''
  /** All bytes that were received. */
  received = 0
  // Positions of the words in the last line.
  readonly #starts = new Int32Array(6)
  readonly #ends = new Int32Array(6)
  #words = 0

  /** @param others called with complete lines of other operations, such as PING and INFO */
  constructor(others: (lines: Uint8Array) => void) {
    this.#others = others
  }

  /** Passes messages of a subscription to `receiver`. Messages with an unknown sid are dropped. */
  add(sid: number, receiver: Receiver): void {
    this.#receivers.set(sid, receiver)
  }

  delete(sid: number): void {
    this.#receivers.delete(sid)
  }

  /** Drops all later messages. */
  clear(): void {
    this.#receivers.clear()
  }

  /** Reads the next bytes. @throws Error if they are not the NATS protocol. The reader can't be used after that */
  read(chunk: Uint8Array): void {
    this.received += chunk.length
    // Not a Buffer, whose `slice` and `toString` differ from Uint8Array.
    let bytes = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length)
    if (this.#heldLength > 0) {
      this.#hold(bytes)
      if (this.#heldLength < this.#needed) return
      bytes = join(this.#held) as Uint8Array<ArrayBuffer>
      this.#held = []
      this.#heldLength = 0
    }
    let at = 0
    while (at < bytes.length) {
      const end = this.#step(bytes, at)
      if (end === at) break
      at = end
    }
    if (at < bytes.length) this.#hold(at > 0 ? bytes.subarray(at) : bytes)
  }

  /** Reads one line or message. Returns its end, or its beginning if it is incomplete. */
  #step(bytes: Uint8Array, at: number): number {
    const isHeaded = bytes[at] === H
    this.#needed = 0
    const lineEnd = this.#split(bytes, at)
    if (lineEnd === 0) {
      if (bytes.length - at > MAX_LINE) throw new Error('a line without an end')
      return at
    }
    if (!isHeaded && bytes[at] !== M) {
      this.#others(bytes.subarray(at, lineEnd))
      return lineEnd
    }
    const words = this.#words
    const sizes = isHeaded ? 2 : 1
    const hasReply = words === 4 + sizes
    if (!hasReply && words !== 3 + sizes) throw new Error('an unknown operation')
    const size = this.#number(bytes, words - 1)
    const headerSize = isHeaded ? this.#number(bytes, words - 2) : 0
    const end = lineEnd + size
    if (end + 2 > bytes.length) {
      this.#needed = end + 2 - at
      return at
    }
    if (headerSize > size || bytes[end] !== CR || bytes[end + 1] !== LF) throw new Error('a wrong length')
    const receiver = this.#receivers.get(this.#number(bytes, 2))
    receiver?.deliver({
      subject: this.#subjectOf(bytes, receiver.filter),
      reply: hasReply ? decode(bytes.subarray(this.#starts[3], this.#ends[3])) : undefined,
      headers: headerSize > 0 ? bytes.subarray(lineEnd, lineEnd + headerSize) : undefined,
      payload: bytes.subarray(lineEnd + headerSize, end),
    })
    return end + 2
  }

  /** Finds the words of a line. Returns the beginning of the next line, or 0 if the line is incomplete. */
  #split(bytes: Uint8Array, from: number): number {
    const starts = this.#starts
    const ends = this.#ends
    let words = 0
    let inWord = false
    for (let i = from; i < bytes.length; i++) {
      const byte = bytes[i] as number
      if (byte > BLANK) {
        if (inWord) continue
        inWord = true
        starts[words] = i
      } else {
        // A line of more than six words is not a message, so positions of further words do not matter.
        if (inWord) ends[words++] = i
        inWord = false
        if (byte !== LF) continue
        this.#words = words
        return i + 1
      }
    }
    return 0
  }

  #number(bytes: Uint8Array, word: number): number {
    let n = 0
    for (let i = this.#starts[word] as number; i < (this.#ends[word] as number); i++) {
      const digit = (bytes[i] as number) - 48
      if (digit < 0 || digit > 9) throw new Error('not a number')
      n = n * 10 + digit
    }
    return n
  }

  /** Most subjects equal the filter or the last subject. Comparing costs less than decoding. */
  #subjectOf(bytes: Uint8Array, filter: string): string {
    const start = this.#starts[1] as number
    const end = this.#ends[1] as number
    if (!isText(bytes, start, end, this.#subject))
      this.#subject = isText(bytes, start, end, filter) ? filter : decode(bytes.subarray(start, end))
    return this.#subject
  }

  #hold(bytes: Uint8Array): void {
    this.#held.push(bytes)
    this.#heldLength += bytes.length
  }
}

/** Whether the bytes equal `text`, which must be ASCII. */
function isText(bytes: Uint8Array, start: number, end: number, text: string): boolean {
  if (text.length !== end - start) return false
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code > 127 || code !== bytes[start + i]) return false
  }
  return true
}
