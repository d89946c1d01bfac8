import { decode, join } from './bytes.ts'

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
// nats-server 2.9 writes two blanks where an acknowledgement by JetStream has no reply subject.
const MESSAGE = /^(?:MSG +(\S+) +(\S+)(?: +(\S+))?|HMSG +(\S+) +(\S+)(?: +(\S+))? +(\d{1,9})) +(\d{1,9})$/
const OPERATION = /^(?:PING|PONG|\+OK|INFO (.+)|-ERR '?(.*?)'?)$/s

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
          if (size - at > MAX_LINE) throw new Error('too long')
          break
        }
        const text = (all?.slice(at, end) ?? decode(bytes.subarray(at, end))).trimEnd()
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
      if (head.payload > head.size || bytes[end] !== 13 || bytes[end + 1] !== 10) throw new Error('wrong length')
      needed = 0
      at = end + 2
      on.message(head.sid, new Message(head, time, start, bytes, all))
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
  /** Offset of the payload after the line: the length of the header block. */
  readonly payload: number
  /** Length of header block and payload. */
  readonly size: number
}

function readHead(line: string): Head | undefined {
  const found = MESSAGE.exec(line)
  if (!found) return
  const [, subject, sid, reply, , , , headers = 0, size] = found
  return {
    subject: subject ?? found[4],
    sid: sid ?? found[5],
    reply: reply ?? found[6],
    headers: !subject,
    payload: +headers,
    size: +(size as string),
  } as Head
}

/** A message whose parts are read from its bytes on first use. */
class Message implements ServerMessage {
  readonly time: number
  readonly #head: Head
  readonly #start: number
  readonly #bytes: Uint8Array
  readonly #text: string | undefined

  constructor(head: Head, time: number, start: number, bytes: Uint8Array, text: string | undefined) {
    this.time = time
    this.#head = head
    this.#start = start
    this.#bytes = bytes
    this.#text = text
  }

  get subject(): string {
    return this.#head.subject
  }

  get reply(): string | undefined {
    return this.#head.reply
  }

  get headerBlock(): Uint8Array | undefined {
    return this.#head.headers ? this.#bytes.subarray(this.#start, this.#start + this.#head.payload) : undefined
  }

  get payload(): Uint8Array {
    return this.#bytes.subarray(this.#start + this.#head.payload, this.#start + this.#head.size)
  }

  get text(): string | undefined {
    return this.#text?.slice(this.#start + this.#head.payload, this.#start + this.#head.size)
  }
}
