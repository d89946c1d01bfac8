import { decode, join } from '../../sdk/wire/bytes.ts'
import type { UpstreamMessage } from './upstream.ts'

const LF = 10
const CR = 13
const BLANK = 32
const H = 72
const M = 77
/** Longest control line of a server, in bytes. INFO lists a whole cluster's addresses. */
const MAX_LINE = 65_536

/** One subscription of the connection. */
interface Receiver {
  readonly filter: string
  readonly deliver: (message: UpstreamMessage) => void
}

/**
 * Cuts the messages out of what a NATS server sends, however the network split or joined it, and passes on all other
 * lines. For a hub this is the way in of all that it hands out: nothing is made here that isn't asked for.
 * Source: https://docs.nats.io/reference/reference-protocols/nats-protocol
 */
export class MessageReader {
  readonly #others: (lines: Uint8Array) => void
  readonly #receivers = new Map<number, Receiver>()
  /** The beginning of a line or message, and how much there must be of it to go on; 0 if nobody knows. */
  #held: Uint8Array[] = []
  #heldLength = 0
  #needed = 0
  /** The last one. Filters that overlap bring a message once for each, one right after the other. */
  #subject = ''
  /** Bytes so far. */
  received = 0
  // Where the words of the line that was read last begin and end.
  readonly #starts = new Int32Array(6)
  readonly #ends = new Int32Array(6)
  #words = 0

  /** @param others gets whole lines that aren't messages, such as PING and INFO */
  constructor(others: (lines: Uint8Array) => void) {
    this.#others = others
  }

  /** Hands the messages of a subscription to `deliver`, which must not throw. What is of no known one is dropped. */
  add(sid: number, filter: string, deliver: (message: UpstreamMessage) => void): void {
    this.#receivers.set(sid, { filter, deliver })
  }

  delete(sid: number): void {
    this.#receivers.delete(sid)
  }

  /** Takes the next bytes of the stream. Throws if they aren't the NATS protocol, and can't be used after that. */
  read(chunk: Uint8Array): void {
    this.received += chunk.length
    // Not a view of Node's Buffer, whose `slice` and `toString` are other than a Uint8Array's.
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

  /** Reads one line or message. Returns where it ends, or where it begins if there is more to come of it. */
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

  /** Finds the words of a line. Returns where the next line begins, or 0 if this one has no end. */
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
        // More than six aren't a message: their places don't matter.
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

  /** Most subjects are the filter itself or the one before: to compare costs less than to decode. */
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

/** Whether these bytes are `text`, and that is ASCII. */
function isText(bytes: Uint8Array, start: number, end: number, text: string): boolean {
  if (text.length !== end - start) return false
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code > 127 || code !== bytes[start + i]) return false
  }
  return true
}
