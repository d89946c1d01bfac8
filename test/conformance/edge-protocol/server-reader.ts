/** A control line of a server, with its payload as text. */
export interface ServerLine {
  /** Without its line end, such as `MSG a 1 2` or `-ERR 'Invalid Subject'`. */
  readonly line: string
  readonly headers?: string
  readonly payload?: string
}

const CRLF = new Uint8Array([13, 10])

/**
 * A strict parser of a server's output. It shares no code with the SDK's parser, so that neither hides a fault of the
 * other.
 */
export class ServerReader {
  readonly #take: (line: ServerLine) => void
  #bytes: Uint8Array = new Uint8Array(0)

  constructor(take: (line: ServerLine) => void) {
    this.#take = take
  }

  /** @throws Error if a NATS server must not send this */
  push(chunk: Uint8Array): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk])
    for (let taken = this.#read(); taken > 0; taken = this.#read()) this.#bytes = this.#bytes.subarray(taken)
  }

  /** Whether the last line or payload is incomplete. */
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
    if (verb !== 'MSG' && verb !== 'HMSG') throw new Error(`Not a line of a server: ${JSON.stringify(line)}`)
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
  if (digits === undefined || !/^\d+$/.test(digits)) throw new Error(`Not a size: ${JSON.stringify(line)}`)
  return Number(digits)
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8')
}
