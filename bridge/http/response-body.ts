import type { Context } from 'hono'

/** Size of a part, in bytes. A response of one part is given to the host at once. */
const PART = 64 * 1024
/** Time for a client to take one part, in ms. A client that does not read would hold the response without end. */
const PATIENCE = 60_000

type Bytes = Uint8Array<ArrayBuffer>

const encoder = new TextEncoder()

/** Encodes texts, and joins them to parts. */
export function encodeParts(texts: readonly string[]): Bytes[] {
  const parts: Bytes[] = []
  let text = ''
  for (const next of texts) {
    text += next
    if (text.length < PART) continue
    parts.push(encoder.encode(text))
    text = ''
  }
  return text === '' && parts.length > 0 ? parts : [...parts, encoder.encode(text)]
}

/** Copies bytes into parts. A view would keep all of them in memory. */
export function copyParts(bytes: Uint8Array): Bytes[] {
  const count = Math.max(1, Math.ceil(bytes.length / PART))
  return Array.from({ length: count }, (_, index) => Uint8Array.from(bytes.subarray(index * PART, (index + 1) * PART)))
}

/** A response that is given to the host part by part: bytes that the client has not read stay countable. */
export class ResponseBody {
  readonly stream: ReadableStream<Bytes>
  /** Resolves when the client has read everything, or the response was cut off. */
  readonly sent: Promise<void>
  readonly #sent = Promise.withResolvers<void>()
  readonly #parts: Bytes[]
  #held: number
  #controller: ReadableStreamDefaultController<Bytes> | undefined
  #timer: ReturnType<typeof setTimeout> | undefined

  /** @param parts each in a buffer of its own. The list is emptied as they are sent */
  constructor(c: Context, parts: Bytes[]) {
    this.sent = this.#sent.promise
    this.#parts = parts
    this.#held = sizeOf(parts)
    this.stream = new ReadableStream<Bytes>(
      {
        start: (controller) => {
          this.#controller = controller
        },
        pull: () => this.#pull(),
        cancel: () => this.#end(),
      },
      { highWaterMark: 0 },
    )
    // Not every runtime cancels the body.
    c.req.raw.signal.addEventListener('abort', () => this.abort())
    this.#wait()
  }

  /** Bytes that the client has not read. */
  get held(): number {
    return this.#held
  }

  /** Cuts the response off. */
  abort(): void {
    if (this.#timer === undefined) return
    this.#end()
    this.#controller?.error(new Error('The response was cut off.'))
  }

  #pull(): void {
    const part = this.#parts.shift()
    if (!part) return
    this.#controller?.enqueue(part)
    this.#held -= part.length
    if (this.#parts.length > 0) return this.#wait()
    this.#end()
    this.#controller?.close()
  }

  #wait(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.abort(), PATIENCE)
  }

  #end(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#parts.length = 0
    this.#held = 0
    this.#sent.resolve()
  }
}

export function sizeOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, { length }) => sum + length, 0)
}
