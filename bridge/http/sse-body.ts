import type { Context } from 'hono'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import type { HostBindings } from './connect.ts'
import type { HubLine } from './hub-line.ts'

/** In ms. Middleboxes cut what is silent; some do after 30 s. */
const HEARTBEAT = 15_000
/**
 * In bytes. Some proxies and browsers' own decoders hold the beginning of an answer back until they have about 2 KiB of
 * it.
 */
const PREAMBLE = 2_048
/** Mean delay before a browser reconnects, in ms. */
const RETRY = 2_000
/** How long a client has for what was written before the end, in ms. It would be kept for it for ever. */
const LINGER = 5_000
/** In characters. */
const PART = 65_536

const encoder = new TextEncoder()

/** In bytes. More would make a heartbeat an attack. */
const MAX_PAD = 16_384

/** What buffering proxies on the way are asked for, and what makes the body an event stream. */
const SSE_HEADERS: Readonly<Record<string, string>> = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  // no-transform: a proxy that compresses gathers what it compresses.
  'Cache-Control': 'no-cache, no-transform',
  'X-Accel-Buffering': 'no',
}

/** One event of an event stream (https://html.spec.whatwg.org/multipage/server-sent-events.html). No field may hold a line end. */
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

/** A comment of so many bytes in all: what pushes an answer through whoever gathers it. */
function comment(bytes: number): string {
  return `:${' '.repeat(Math.max(0, bytes - 3))}\n\n`
}

/**
 * The body of an answer by Server-Sent Events. It gives away what was written only when the client's side asks for more,
 * and can tell when that was: so whoever writes knows what was taken. It bounds nothing by itself.
 */
export class SseBody {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>
  readonly #pad: number
  readonly #cut: (() => void) | undefined
  /** What was written and not taken, and who wants to know when what stands before them was. */
  #queue: Array<string | (() => void)> = []
  #held = 0
  #controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined
  #timer: ReturnType<typeof setInterval>
  #asked: (() => void) | undefined
  #ending = false
  #over = false

  /**
   * @param cancelled the client went away
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

  /** Characters that were written and not taken. */
  get held(): number {
    return this.#held
  }

  write(text: string): void {
    if (this.#ending) return
    this.#queue.push(text)
    this.#held += text.length
    this.#wake()
  }

  /** Calls `run` once the client's side has taken all that was written before. */
  whenTaken(run: () => void): void {
    if (this.#ending) return
    this.#queue.push(run)
    this.#wake()
  }

  /** Ends the answer behind what was written. A client that doesn't read that soon is cut off. */
  end(): void {
    if (this.#ending) return
    this.#ending = true
    clearInterval(this.#timer)
    this.#timer = setTimeout(() => this.abort(), LINGER)
    this.#wake()
  }

  /** Cuts the answer off: what was written and not taken is dropped. */
  abort(): void {
    if (this.#over) return
    this.#stop()
    if (this.#cut) this.#cut()
    else this.#controller?.error(new Error('The stream was cut off.'))
  }

  /** The client has gone: there is nobody to tell. */
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
      // Being asked again means that what was given before was taken.
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

  /** What can be given away at once: not so much that the client's side would hold what belongs in the queue. */
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
 * The query parameter `pad`: each part of the answer is filled up to so many bytes, for a proxy that holds back whatever
 * is less.
 * @throws SpanwireError `invalid-argument`
 */
function readPad(c: Context): number {
  const text = c.req.query('pad') ?? '0'
  if (/^\d{1,5}$/.test(text) && Number(text) <= MAX_PAD) return Number(text)
  throw new SpanwireError('invalid-argument', `pad must be a number of bytes up to ${MAX_PAD}.`)
}

/** The answer whose body this is. When the client goes away, so does its line. */
export function sseResponse(c: Context, body: SseBody, line: HubLine): Response {
  // Not every runtime cancels the body.
  c.req.raw.signal.addEventListener('abort', () => {
    line.close()
    body.gone()
  })
  return c.body(body.stream, 200, SSE_HEADERS)
}
