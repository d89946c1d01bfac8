/** STOMP 1.2 frames as bytes. Source: https://stomp.github.io/stomp-specification-1.2.html */
import { decode, encode, join } from '../../../sdk/wire/bytes.ts'
import { SpanwireError } from '../../../sdk/wire/errors.ts'

/** One frame. If a header name occurs twice, the first value is valid. */
export interface StompFrame {
  readonly command: string
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>
  readonly body: Uint8Array
}

const LF = 10
const CR = 13
const NUL = 0
/** The longest command and headers of a frame, in bytes. The broker's own limits are lower. */
const MOST_HEAD = 256 * 1024

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\r': '\\r', '\n': '\\n', ':': '\\c' }
const UNESCAPES: Readonly<Record<string, string>> = { '\\\\': '\\', '\\r': '\r', '\\n': '\n', '\\c': ':' }

/** The first value of a header. */
export function headerOf({ headers }: StompFrame, name: string): string | undefined {
  return headers.find(([other]) => other === name)?.[1]
}

/** Encodes a frame. Headers are escaped, except in CONNECT. */
export function encodeFrame(command: string, headers: StompFrame['headers'], body?: Uint8Array): Uint8Array {
  const write = command === 'CONNECT' ? (text: string) => text.replaceAll(/[\r\n]/g, '') : escapeHeader
  const lines = headers.map(([name, value]) => `${write(name)}:${write(value)}\n`)
  const length = body ? `content-length:${body.length}\n` : ''
  const head = encode(`${command}\n${lines.join('')}${length}\n`)
  return join(body ? [head, body, new Uint8Array([NUL])] : [head, new Uint8Array([NUL])])
}

function escapeHeader(text: string): string {
  return text.replaceAll(/[\\\r\n:]/g, (char) => ESCAPES[char] ?? char)
}

function unescapeHeader(text: string): string {
  return text.replaceAll(/\\./gs, (pair) => {
    const char = UNESCAPES[pair]
    if (char === undefined) throw violation(`the escape ${JSON.stringify(pair)} is unknown`)
    return char
  })
}

/** Reads frames from chunks of any size. */
export class StompReader {
  readonly #mostBody: number
  #chunks: Uint8Array[] = []
  #size = 0
  /** The search for the end of a head, or of a body without a length, continues at this index. */
  #searched = 0
  #head:
    | { readonly command: string; readonly headers: StompFrame['headers']; readonly length: number | undefined }
    | undefined

  /** @param mostBody the largest body, in bytes */
  constructor(mostBody: number) {
    this.#mostBody = mostBody
  }

  /**
   * Reads the next bytes. Returns the complete frames.
   * @throws SpanwireError `protocol-violation`
   */
  push(chunk: Uint8Array): StompFrame[] {
    this.#chunks.push(chunk)
    this.#size += chunk.length
    // A body of known length is joined once, when all of it is here.
    const wanted = this.#head?.length
    if (wanted !== undefined && this.#size < wanted + 1) return []
    const bytes = this.#chunks.length === 1 ? chunk : join(this.#chunks)
    const frames: StompFrame[] = []
    let at = 0
    for (;;) {
      this.#head ??= this.#readHead(bytes, at, (next) => {
        at = next
      })
      if (!this.#head) break
      const end = this.#endOfBody(bytes, at)
      if (end === undefined) break
      const { command, headers } = this.#head
      frames.push({ command, headers, body: bytes.slice(at, end) })
      this.#head = undefined
      this.#searched = 0
      at = end + 1
    }
    const rest = bytes.subarray(at)
    this.#chunks = rest.length > 0 ? [rest] : []
    this.#size = rest.length
    return frames
  }

  #readHead(bytes: Uint8Array, from: number, moved: (at: number) => void) {
    let start = from
    // Line ends between frames are heart-beats.
    while (bytes[start] === LF || bytes[start] === CR) start++
    if (start > from) this.#searched = 0
    moved(start)
    const end = endOfHead(bytes, start + this.#searched)
    if (end === undefined) {
      if (bytes.length - start > MOST_HEAD) throw violation(`the headers are longer than ${MOST_HEAD} bytes`)
      // The end may be divided between two chunks.
      this.#searched = Math.max(0, bytes.length - start - 3)
      return undefined
    }
    if (end - start > MOST_HEAD) throw violation(`the headers are longer than ${MOST_HEAD} bytes`)
    const [command = '', ...lines] = decode(bytes.subarray(start, end)).split(/\r?\n/)
    const isRaw = command === 'CONNECTED'
    const headers = lines.filter((line) => line !== '').map((line) => readHeader(line, isRaw))
    const text = headers.find(([name]) => name === 'content-length')?.[1]
    const length = text === undefined ? undefined : Number(text)
    if (length !== undefined && (!/^\d+$/.test(text ?? '') || length > this.#mostBody))
      throw violation(`a body of ${text} bytes is not valid, or over ${this.#mostBody}`)
    this.#searched = 0
    moved(end)
    return { command, headers, length }
  }

  #endOfBody(bytes: Uint8Array, at: number): number | undefined {
    const length = this.#head?.length
    if (length !== undefined) {
      if (bytes.length < at + length + 1) return undefined
      if (bytes[at + length] !== NUL) throw violation('a body is longer than its content-length')
      return at + length
    }
    const end = bytes.indexOf(NUL, at + this.#searched)
    if (end >= 0) return end
    if (bytes.length - at > this.#mostBody) throw violation(`a body is over ${this.#mostBody} bytes`)
    this.#searched = bytes.length - at
    return undefined
  }
}

/** Returns the index after the empty line that ends a head. */
function endOfHead(bytes: Uint8Array, from: number): number | undefined {
  for (let at = bytes.indexOf(LF, from); at >= 0; at = bytes.indexOf(LF, at + 1)) {
    if (bytes[at + 1] === LF) return at + 2
    if (bytes[at + 1] === CR && bytes[at + 2] === LF) return at + 3
  }
  return undefined
}

function readHeader(line: string, isRaw: boolean): readonly [string, string] {
  const colon = line.indexOf(':')
  if (colon < 0) throw violation(`${JSON.stringify(line.slice(0, 40))} is not a header`)
  const [name, value] = [line.slice(0, colon), line.slice(colon + 1)]
  return isRaw ? [name, value] : [unescapeHeader(name), unescapeHeader(value)]
}

function violation(why: string): SpanwireError {
  return new SpanwireError('protocol-violation', `The broker breaks STOMP: ${why}.`)
}
