/** One thing a server said. Payloads and header blocks are text here: the scripts send text. */
export interface ServerLine {
  /** The control line without its end, such as `MSG a 1 2` or `-ERR 'Invalid Subject'`. */
  readonly line: string
  readonly headers?: string
  readonly payload?: string
}

const CRLF = new Uint8Array([13, 10])

/**
 * Reads what a server sends, strictly: every line ends in CRLF, every verb is one that servers send, sizes are true.
 * It shares no code with the SDK's parser, so neither can hide a fault of the other.
 */
export class ServerReader {
  readonly #take: (line: ServerLine) => void
  #bytes: Uint8Array = new Uint8Array(0)

  constructor(take: (line: ServerLine) => void) {
    this.#take = take
  }

  /** @throws Error when this is not what a NATS server may send */
  push(chunk: Uint8Array): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk])
    for (let taken = this.#read(); taken > 0; taken = this.#read()) this.#bytes = this.#bytes.subarray(taken)
  }

  /** Whether the server stopped in the middle of something. */
  get midway(): boolean {
    return this.#bytes.length > 0
  }

  #read(): number {
    const end = Buffer.from(this.#bytes).indexOf(CRLF)
    if (end < 0) return 0
    const line = text(this.#bytes.subarray(0, end))
    const [verb = '', ...args] = line.split(' ')
    const start = end + 2
    if (['INFO', 'PING', 'PONG', '+OK', '-ERR'].includes(verb)) {
      this.#take({ line })
      return start
    }
    if (verb !== 'MSG' && verb !== 'HMSG') throw new Error(`Not a server's line: ${JSON.stringify(line)}`)
    const size = count(args.at(-1), line)
    const headerSize = verb === 'HMSG' ? count(args.at(-2), line) : 0
    if (this.#bytes.length < start + size + 2) return 0
    if (text(this.#bytes.subarray(start + size, start + size + 2)) !== '\r\n') throw new Error(`Wrong size: ${line}`)
    this.#take({
      line,
      ...(verb === 'HMSG' && { headers: text(this.#bytes.subarray(start, start + headerSize)) }),
      payload: text(this.#bytes.subarray(start + headerSize, start + size)),
    })
    return start + size + 2
  }
}

function count(digits: string | undefined, line: string): number {
  if (digits === undefined || !/^\d+$/.test(digits)) throw new Error(`No size: ${JSON.stringify(line)}`)
  return Number(digits)
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8')
}
