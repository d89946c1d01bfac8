import { decode, join } from './bytes.ts'

/** A message as a server sends it. */
export interface ServerMessage {
  readonly subject: string
  /** Where an answer is wanted. */
  readonly reply?: string | undefined
  /** The raw `NATS/1.0` header block; parsed only when somebody asks. */
  readonly headerBlock?: Uint8Array | undefined
  readonly payload: Uint8Array
  /** The payload as text, where that is at hand: then nobody has to decode it. */
  readonly text?: string | undefined
}

/** What is done with a server's operations, in their order. */
export interface ServerHandler {
  message(sid: string, message: ServerMessage): void
  /**
   * INFO with its JSON, -ERR with its text, PING, PONG or +OK.
   * @returns whether the rest has to wait until more is read
   */
  operation(verb: string, text: string): unknown
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
  // Messages of one subject often have the same line.
  let line: string | undefined
  let message: RegExpExecArray | null

  return (chunk) => {
    chunks.push(chunk)
    size += chunk.length
    if (size < needed) return
    const bytes = join(chunks)
    // If there are as many characters as bytes, they are in the same places, and nothing has to be decoded a second time.
    const all = size > MAX_LINE ? '' : decode(bytes)
    const cut = (from: number, to: number) => (all.length === size ? all.slice(from, to) : undefined)
    let at = 0
    let waits: unknown
    needed = 0
    while (!waits) {
      const end = bytes.indexOf(10, at)
      if (end < 0) {
        if (size - at > MAX_LINE) throw new Error('a line without an end')
        break
      }
      const next = cut(at, end) ?? decode(bytes.subarray(at, end))
      if (next !== line) message = MESSAGE.exec(next.trimEnd())
      line = next
      if (message) {
        const headersEnd = end + 1 + Number(message[7] ?? 0)
        const stop = end + 1 + Number(message[8])
        needed = stop + 2 - at
        if (size - at < needed) break
        if (headersEnd > stop || bytes[stop] !== 13 || bytes[stop + 1] !== 10) throw new Error('a wrong length')
        needed = 0
        at = stop + 2
        on.message((message[2] ?? message[5]) as string, {
          subject: (message[1] ?? message[4]) as string,
          reply: message[3] ?? message[6],
          headerBlock: message[7] ? bytes.subarray(end + 1, headersEnd) : undefined,
          payload: bytes.subarray(headersEnd, stop),
          text: cut(headersEnd, stop),
        })
      } else {
        const operation = OPERATION.exec(next.trimEnd())
        if (!operation) throw new Error('an unknown operation')
        at = end + 1
        waits = on.operation(next.trimEnd().split(' ', 1)[0] as string, operation[1] ?? operation[2] ?? '')
      }
    }
    chunks = [bytes.subarray(at)]
    size -= at
  }
}
