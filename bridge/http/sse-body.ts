import type { Context } from 'hono'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import type { HostBindings } from './connect-route.ts'
import type { HubLine } from './hub-line.ts'

/** In ms. Some middleboxes cut connections after 30 s of silence. */
const HEARTBEAT = 15_000
/** In bytes. Some proxies and browsers hold back a response until they have about 2 KiB. */
const PREAMBLE = 2_048
/** Wait before a browser reconnects, in ms. */
const RETRY = 2_000
/** Time for the client to read the rest at the end, in ms. */
const LINGER = 5_000
/** Largest part that is given to the stream at once, in characters. */
const PART = 65_536

const encoder = new TextEncoder()

/** In bytes. Larger padding would turn heartbeats into an attack. */
const MAX_PAD = 16_384

/** The media type, and requests to proxies not to buffer. */
const SSE_HEADERS: Readonly<Record<string, string>> = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  // no-transform: a proxy that compresses also buffers.
  'Cache-Control': 'no-cache, no-transform',
  'X-Accel-Buffering': 'no',
}

/** One event of an event stream (https://html.spec.whatwg.org/multipage/server-sent-events.html). Fields must have no line breaks. */
export function encodeSse(data: string, event?: string, id?: string): string {
  return `${event === undefined ? '' : `event: ${event}\n`}${id === undefined ? '' : `id: ${id}\n`}data: ${data}\n\n`
}

/**
 * The line that sets a browser's reconnection delay: `mean` ms, give or take half of it. Browsers that lose the same
 * bridge do not return in step.
 */
export function retryAfter(mean: number): string {
  return `retry: ${Math.round(mean * (0.5 + Math.random()))}\n`
}

/** A comment of that total size, which pushes the response through buffers. */
function comment(bytes: number): string {
  return `:${' '.repeat(Math.max(0, bytes - 3))}\n\n`
}

/**
 * The body of a response with Server-Sent Events. It gives text to the stream only on demand, and reports when text was
 * taken. It has no limit by itself.
 */
export class SseBody {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>
  readonly #pad: number
  readonly #cut: (() => void) | undefined
  /** Text that was not taken yet, and functions to call when the text before them was. */
  #queue: Array<string | (() => void)> = []
  #held = 0
  #controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined
  #timer: ReturnType<typeof setInterval>
  #asked: (() => void) | undefined
  #ending = false
  #over = false

  /**
   * @param cancelled called when the client closes the connection
   * @throws SpanwireError `invalid-argument`, see {@link readPad}
   */
  constructor(c: Context<{ Bindings: HostBindings }>, cancelled: () => void) {
    this.#pad = readPad(c)
    this.#cut = c.env?.cut
    this.stream = new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        start: (controller) => {
          this.#controller = controller
        },
        pull: () => this.#pull(),
        cancel: () => {
          this.#stop()
          cancelled()
        },
      },
      { highWaterMark: 0 },
    )
    this.#timer = setInterval(() => {
      if (this.#queue.length === 0) this.write(comment(3))
    }, c.env?.heartbeat ?? HEARTBEAT)
    this.write(retryAfter(RETRY) + comment(PREAMBLE))
  }

  /** Characters that were not taken yet. */
  get held(): number {
    return this.#held
  }

  write(text: string): void {
    if (this.#ending) return
    this.#queue.push(text)
    this.#held += text.length
    this.#wake()
  }

  /** Calls `run` once all text before was taken. */
  whenTaken(run: () => void): void {
    if (this.#ending) return
    this.#queue.push(run)
    this.#wake()
  }

  /** Ends the response after the text so far. A client that does not read it within 5 s is cut off. */
  end(): void {
    if (this.#ending) return
    this.#ending = true
    clearInterval(this.#timer)
    this.#timer = setTimeout(() => this.abort(), LINGER)
    this.#wake()
  }

  /** Cuts the response off. Text that was not taken is dropped. */
  abort(): void {
    if (this.#over) return
    this.#stop()
    if (this.#cut) this.#cut()
    else this.#controller?.error(new Error('The stream was cut off.'))
  }

  /** The client has closed the connection, or gets another response. */
  gone(): void {
    if (this.#over) return
    this.#stop()
    this.#controller?.close()
  }

  #stop(): void {
    this.#ending = true
    this.#over = true
    this.#queue = []
    this.#held = 0
    clearInterval(this.#timer)
    this.#wake()
  }

  #wake(): void {
    this.#asked?.()
    this.#asked = undefined
  }

  async #pull(): Promise<void> {
    for (;;) {
      // A second pull means that the earlier text was taken.
      while (typeof this.#queue[0] === 'function') (this.#queue.shift() as () => void)()
      if (this.#over) return
      const text = this.#take()
      if (text !== '') return this.#controller?.enqueue(this.#encode(text))
      if (this.#ending) {
        this.#stop()
        return this.#controller?.close()
      }
      await new Promise<void>((resolve) => {
        this.#asked = resolve
      })
    }
  }

  /** Text for one pull. Bounded, so that unread text stays in this queue. */
  #take(): string {
    let count = 0
    for (let length = 0; length < PART; count++) {
      const next = this.#queue[count]
      if (typeof next !== 'string') break
      length += next.length
    }
    const text = this.#queue.splice(0, count).join('')
    this.#held -= text.length
    return text
  }

  #encode(text: string): Uint8Array<ArrayBuffer> {
    const bytes = encoder.encode(text)
    return bytes.length >= this.#pad ? bytes : encoder.encode(text + comment(this.#pad - bytes.length))
  }
}

/**
 * The query parameter `pad`: each part of the response is padded to that size in bytes, for proxies that buffer smaller
 * parts.
 * @throws SpanwireError `invalid-argument`
 */
function readPad(c: Context): number {
  const text = c.req.query('pad') ?? '0'
  if (/^\d{1,5}$/.test(text) && Number(text) <= MAX_PAD) return Number(text)
  throw new SpanwireError('invalid-argument', `pad must be a number of bytes up to ${MAX_PAD}.`)
}

/** The response to HEAD, without a session, which nothing would end. Undefined for other methods. */
export function answerHead(c: Context): Response | undefined {
  return c.req.method === 'HEAD' ? c.body(null, 200, SSE_HEADERS) : undefined
}

/** The response with this body. Closes the line when the client closes the connection. */
export function sseResponse(c: Context, body: SseBody, line: HubLine): Response {
  // Not every runtime cancels the body.
  c.req.raw.signal.addEventListener('abort', () => {
    line.close()
    body.gone()
  })
  return c.body(body.stream, 200, SSE_HEADERS)
}
