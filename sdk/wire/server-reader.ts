import { decode, join } from './bytes.ts'

/** A message as a server sends it. */
export interface ServerMessage {
  readonly subject: string
  /** Where an answer is wanted. */
  readonly reply?: string | undefined
  /** The raw `NATS/1.0` header block; parsed only when somebody asks. */
  readonly headerBlock?: Uint8Array | undefined
  readonly payload: Uint8Array
  /** When it was received, or a stream took it, in ms since 1970. */
  readonly time: number
  /** The payload as text, where that is at hand: then nobody has to decode it. */
  readonly text?: string | undefined
}

/** What is done with a server's operations, in their order. */
export interface ServerHandler {
  message(sid: string, message: ServerMessage): void
  /** INFO with its JSON, -ERR with its text, PING, PONG or +OK. */
  operation(verb: string, text: string): void
}

/** Longest control line of a server, in bytes. INFO lists a whole cluster's addresses. */
const MAX_LINE = 65_536
// nats-server 2.9 writes two blanks where an acknowledgement by JetStream has no reply subject.
const MESSAGE = /^(?:MSG +(\S+) +(\S+)(?: +(\S+))?|HMSG +(\S+) +(\S+)(?: +(\S+))? +(\d{1,9})) +(\d{1,9})$/
const OPERATION = /^(?:PING|PONG|\+OK|INFO (.+)|-ERR '?(.*?)'?)$/s

/**
 * Makes a function that takes the bytes of a server's stream, however the network split or joined them.
 * It throws if they aren't the NATS protocol, and can't be used after that.
 * Source: https://docs.nats.io/reference/reference-protocols/nats-protocol
 */
export function createServerReader(on: ServerHandler): (chunk: Uint8Array) => void {
  let chunks: Uint8Array[] = []
  let size = 0
  /** Bytes that the message needs which has begun. */
  let needed = 0

  return (chunk) => {
    chunks.push(chunk)
    size += chunk.length
    if (size < needed) return
    const bytes = join(chunks)
    const time = Date.now()
    // If there are as many characters as bytes, they are in the same places, and nothing has to be decoded a second time.
    const decoded = size > MAX_LINE ? '' : decode(bytes)
    const all = decoded.length === size ? decoded : undefined
    // Messages of one subject often have the same line, which is read once.
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
          on.operation(text.split(' ', 1)[0] as string, operation[1] ?? operation[2] ?? '')
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

/** What the line of a message says. */
interface Head {
  readonly sid: string
  readonly subject: string
  readonly reply: string | undefined
  /** An HMSG: there is a header block, and be it empty. */
  readonly headers: boolean
  /** Where the payload begins behind the line: the length of the header block. */
  readonly payload: number
  /** Of the header block and the payload. */
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

/** Makes what it has of its bytes when it is asked for. */
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
