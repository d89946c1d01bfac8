import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { StatusError } from './problem.ts'
import type { RequestMemory } from './request-memory.ts'

/** Options of {@link readBody}. */
export interface BodyOptions {
  /** Largest body, in bytes. */
  readonly max: number
  /** Time for the client to send it, in ms. A body that arrives byte by byte would hold its connection without end. */
  readonly timeout: number
  /** Counts the bytes that have arrived. */
  readonly memory: RequestMemory
}

/** A body up to this size, in bytes, is read by the runtime, which is faster. All of it is counted at once. */
const SMALL = 64 * 1024

/**
 * Reads the body of a request. Call it once the caller is known and has permission.
 * @throws SpanwireError `payload-too-large`, `rate-limited`, `upstream-unavailable`, `aborted`, `timeout` (408),
 * `unsupported` (415)
 */
export async function readBody(c: Context, options: BodyOptions): Promise<Uint8Array<ArrayBuffer>> {
  const { max, memory } = options
  const length = lengthOf(c)
  const buffer = new BodyBuffer(max, memory)
  try {
    return await limitBody(c, options, () => (length <= SMALL ? readSmall(c, length, memory) : readAll(c, buffer)))
  } finally {
    buffer.close()
  }
}

/**
 * Reads the body of a request by `read`, within the same limits as {@link readBody}. `read` itself counts the bytes that it
 * keeps.
 * @throws SpanwireError as {@link readBody}, and the errors of `read`
 */
export async function limitBody<Result>(
  c: Context,
  { max, timeout, memory }: BodyOptions,
  read: () => Promise<Result>,
): Promise<Result> {
  refuseCodings(c)
  if (lengthOf(c) > max) throw tooLarge(max)
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(tooSlow(timeout)), timeout)
  try {
    return await Promise.race([read(), late.promise, memory.evicted])
  } catch (cause) {
    // The rest of the body may never arrive.
    c.header('Connection', 'close')
    if (cause instanceof SpanwireError) throw cause
    throw new SpanwireError('aborted', 'The client closed the connection before its request was complete.', { cause })
  } finally {
    clearTimeout(timer)
  }
}

/** NaN for a chunked body. */
function lengthOf(c: Context): number {
  return Number(c.req.header('Content-Length') ?? Number.NaN)
}

async function readSmall(c: Context, length: number, memory: RequestMemory): Promise<Uint8Array<ArrayBuffer>> {
  memory.take(length)
  return new Uint8Array(await c.req.raw.arrayBuffer())
}

async function readAll(c: Context, buffer: BodyBuffer): Promise<Uint8Array<ArrayBuffer>> {
  const reader = c.req.raw.body?.getReader()
  try {
    for (;;) {
      const { done = true, value } = (await reader?.read()) ?? {}
      if (done || !value) return buffer.bytes
      buffer.add(value)
    }
  } finally {
    // The host may have to read the rest.
    reader?.releaseLock()
  }
}

/** One growing buffer. A list of chunks of one byte would take a hundred times their memory. */
class BodyBuffer {
  readonly #max: number
  readonly #memory: RequestMemory
  #buffer: Uint8Array<ArrayBuffer> | undefined = new Uint8Array(0)
  #length = 0

  constructor(max: number, memory: RequestMemory) {
    this.#max = max
    this.#memory = memory
  }

  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#buffer?.subarray(0, this.#length) ?? new Uint8Array(0)
  }

  /** @throws SpanwireError `payload-too-large`, `rate-limited`, `upstream-unavailable`, `aborted` */
  add(chunk: Uint8Array): void {
    if (!this.#buffer) throw new SpanwireError('aborted', 'The request has ended.')
    const end = this.#length + chunk.length
    if (end > this.#max) throw tooLarge(this.#max)
    if (end > this.#buffer.length) {
      const size = Math.min(this.#max, Math.max(end, SMALL, 2 * this.#buffer.length))
      this.#memory.take(size - this.#buffer.length)
      const grown = new Uint8Array(size)
      grown.set(this.bytes)
      this.#buffer = grown
    }
    this.#buffer.set(chunk, this.#length)
    this.#length = end
  }

  /** Drops the bytes. The client may still send more, which are not kept. */
  close(): void {
    this.#buffer = undefined
  }
}

/** A compressed payload would be published as it is, and its receivers could not know. */
function refuseCodings(c: Context): void {
  const content = c.req.header('Content-Encoding') ?? 'identity'
  const transfer = c.req.header('Transfer-Encoding') ?? 'chunked'
  const coding = /^identity$/i.test(content) ? (/^chunked$/i.test(transfer) ? undefined : transfer) : content
  if (coding === undefined) return
  c.header('Accept-Encoding', 'identity')
  throw new StatusError(
    415,
    'unsupported',
    `The body is encoded as ${JSON.stringify(coding)}. Send it without an encoding.`,
  )
}

function tooSlow(timeout: number): StatusError {
  return new StatusError(408, 'timeout', `The body took longer than ${timeout} ms. Send it faster, or in parts.`)
}

function tooLarge(max: number): SpanwireError {
  return new SpanwireError('payload-too-large', `The body is larger than ${max} bytes. Send less, or in parts.`)
}

/** Closes the connection after a GET or HEAD with a body. Hosts would read the body to its end, which may never arrive. */
export const closeAfterBody = createMiddleware(async (c, next) => {
  await next()
  const hasBody = c.req.header('Transfer-Encoding') !== undefined || Number(c.req.header('Content-Length') ?? 0) > 0
  if (hasBody && /^(GET|HEAD)$/.test(c.req.method)) c.header('Connection', 'close')
})
