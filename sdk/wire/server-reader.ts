import { decode, join } from './bytes.ts'
import { SpanwireError } from './errors.ts'

/** A message as a server sends it. */
export interface ServerMessage {
  /** Subject. */
  readonly subject: string
  /** Reply subject. */
  readonly reply?: string | undefined
  /** The `NATS/1.0` header block, not parsed. */
  readonly headerBlock?: Uint8Array | undefined
  /** Payload. */
  readonly payload: Uint8Array
  /** Time when it was received, or when a stream stored it, in ms since 1970. */
  readonly time: number
  /** The payload as text, if it was decoded already. */
  readonly text?: string | undefined
  /** The header block as text, if it was decoded already. */
  readonly headerText?: string | undefined
}

/** Receives the operations of a server, in their order. */
export interface ServerHandler {
  /** MSG and HMSG, with the id of the subscription. */
  message(sid: string, message: ServerMessage): void
  /** INFO with its JSON, -ERR with its text, PING, PONG or +OK. */
  operation(verb: string, text: string): void
}

/** Longest control line of a server, in bytes. INFO contains the addresses of a cluster. */
const MAX_LINE = 65_536
// White space is a blank or a tab: `\s` is more, and may be part of a subject. nats-server 2.9 writes two blanks where an
// acknowledgement by JetStream has no reply subject. The number before the last is a reply subject in MSG.
const MESSAGE = /^(H?)MSG[ \t]+([^ \t]+)[ \t]+([^ \t]+)(?:[ \t]+([^ \t]+))??(?:[ \t]+(\d{1,9}))?[ \t]+(\d{1,9})[ \t]*$/
const OPERATION = /^(?:PING|PONG|\+OK|INFO (.+?)|-ERR '?(.*?)'?)[ \t]*$/s

/**
 * Returns a function that reads the byte stream of a server, independent of the chunks of the network. It throws if the
 * bytes are not valid in the NATS protocol, and cannot be used afterwards.
 * Source: https://docs.nats.io/reference/reference-protocols/nats-protocol
 */
export function createServerReader(on: ServerHandler): (chunk: Uint8Array) => void {
  let chunks: Uint8Array[] = []
  let size = 0
  /** Size of the incomplete message, in bytes. */
  let needed = 0

  return (chunk) => {
    chunks.push(chunk)
    size += chunk.length
    if (size < needed) return
    const bytes = join(chunks)
    const time = Date.now()
    // If the text has as many characters as bytes, the offsets are equal, and slices of the text need no decoding.
    const decoded = size > MAX_LINE ? '' : decode(bytes)
    const all = decoded.length === size ? decoded : undefined
    // Messages of one subject often have equal lines, which are parsed once.
    let head: Head | undefined
    let line = 0
    let length = 0
    let at = 0
    needed = 0
    for (;;) {
      let same = 0
      while (same < length && bytes[line + same] === bytes[at + same]) same++
      if (!head || same < length) {
        const end = bytes.indexOf(10, at) + 1
        if (!end) {
          if (size - at > MAX_LINE) throw new Error('length')
          break
        }
        const stop = end - (bytes[end - 2] === 13 ? 2 : 1)
        const text = all?.slice(at, stop) ?? decode(bytes.subarray(at, stop))
        head = readHead(text)
        if (!head) {
          const operation = OPERATION.exec(text)
          if (!operation) throw new Error(text)
          at = end
          on.operation(text.split(' ', 1)[0] ?? '', operation[1] ?? operation[2] ?? '')
          continue
        }
        line = at
        length = end - at
      }
      const start = at + length
      const end = start + head.size
      needed = end + 2 - at
      if (size - at < needed) break
      if (bytes[end] !== 13 || bytes[end + 1] !== 10) throw new Error('length')
      needed = 0
      at = end + 2
      on.message(head.sid, new Message(head, time, start, bytes, head.payload <= head.size ? all : undefined))
    }
    size -= at
    chunks = size ? [bytes.subarray(at)] : []
  }
}

/** A parsed line of a message. */
interface Head {
  readonly sid: string
  readonly subject: string
  readonly reply: string | undefined
  /** Whether it is an HMSG. Its header block may be empty. */
  readonly headers: boolean
  /** Offset of the payload after the line: the length of the header block. NaN or more than `size` if the line is wrong. */
  readonly payload: number
  /** Length of header block and payload. */
  readonly size: number
}

function readHead(line: string): Head | undefined {
  const found = MESSAGE.exec(line)
  if (!found) return undefined
  const [, headers, subject = '', sid = '', word, number, size] = found
  return {
    sid,
    subject,
    reply: headers ? word : (number ?? word),
    headers: !!headers,
    payload: headers ? Number(number) : word && number ? Number.NaN : 0,
    size: Number(size),
  }
}

/** A message whose parts are read from its bytes on first use. */
class Message implements ServerMessage {
  declare readonly subject: string
  declare readonly reply: string | undefined
  declare readonly time: number
  readonly #bytes: Uint8Array
  readonly #text: string | undefined
  readonly #hasHeaders: boolean
  readonly #start: number
  readonly #payloadAt: number
  readonly #end: number

  constructor(head: Head, time: number, start: number, bytes: Uint8Array, text: string | undefined) {
    this.subject = head.subject
    this.reply = head.reply
    this.time = time
    this.#bytes = bytes
    this.#text = text
    this.#hasHeaders = head.headers
    this.#start = start
    this.#payloadAt = start + head.payload
    this.#end = start + head.size
  }

  get headerBlock(): Uint8Array | undefined {
    return this.#hasHeaders && this.#payloadAt <= this.#end
      ? this.#bytes.subarray(this.#start, this.#payloadAt)
      : undefined
  }

  /** @throws SpanwireError `protocol-violation` if its line is wrong: that costs its subscription this message alone */
  get payload(): Uint8Array {
    if (!(this.#payloadAt <= this.#end)) throw new SpanwireError('protocol-violation', 'Wrong lengths.')
    return this.#bytes.subarray(this.#payloadAt, this.#end)
  }

  get text(): string | undefined {
    return this.#text?.slice(this.#payloadAt, this.#end)
  }

  get headerText(): string | undefined {
    return this.#text?.slice(this.#start, this.#payloadAt)
  }
}
