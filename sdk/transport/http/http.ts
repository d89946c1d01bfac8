import { MAX_TIMER } from '../../kit/max-timer.ts'
import { isSpanwireError, SpanwireError, type SpanwireErrorCode } from '../../wire/errors.ts'
import { ID_HEADER, NATS_HEADERS } from '../../wire/header-names.ts'
import { encodeHeaders, type HeaderFields } from '../../wire/headers.ts'
import { checkSubject } from '../checks.ts'
import { StatusCell } from '../status-cell.ts'
import type { Transport, TransportMessage } from '../transport.ts'

/** Options of {@link http}. */
export interface HttpOptions {
  /** Address of a bridge, such as `https://bridge.example.com`. */
  readonly url: string | URL
  /** Sent as a Bearer token. A function is called for each request. */
  readonly token?: string | (() => string | Promise<string>)
  /** Time for an answer of the bridge, in ms. Default 10,000. A request has its own timeout, to which this is added. */
  readonly timeout?: number
  /** Sends HTTP requests. Default: the runtime's `fetch`. */
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>
}

/** A POST to the bridge. */
interface Exchange {
  readonly path: string
  readonly body: Uint8Array
  readonly headers: HeaderFields | undefined
  /** Time for the answer, in ms. */
  readonly patience: number
  readonly signal: AbortSignal | undefined
}

interface Answer {
  readonly headers: Headers
  readonly body: Uint8Array<ArrayBuffer>
}

/**
 * Returns a transport that publishes and requests by `fetch`, without a socket: for edge functions that run for
 * milliseconds. It cannot subscribe. It has no offline queue: without a network, `publish` rejects with
 * `connection-refused`.
 * Source: bridge/PROTOCOL.md, HTTP.
 *
 * @example
 *     const bus = connect({ transport: http({ url: 'https://bridge.example.com', token }), events })
 * @throws SpanwireError `invalid-argument` for a URL with another scheme
 */
export function http({ url, token, timeout: patience = 10_000, fetch = globalThis.fetch }: HttpOptions): Transport {
  const base = String(url).replace(/\/$/, '')
  // A page may leave out its origin.
  if (!/^(https?:\/)?\//i.test(base))
    throw new SpanwireError('invalid-argument', `${base} is not a valid address of a bridge: use https or http.`)
  const cell = new StatusCell('open')
  const closed = new AbortController()
  const underway = new Set<Promise<unknown>>()
  const closedError = () => new SpanwireError('connection-closed', 'This client was closed: make a new one.')

  function post(given: Exchange): Promise<Answer> {
    const answer = exchange(given)
    const over = () => void underway.delete(answer)
    underway.add(answer)
    answer.then(over, over)
    return answer
  }

  async function exchange({ path, body, headers = [], patience, signal }: Exchange): Promise<Answer> {
    const limit = AbortSignal.timeout(Math.min(Math.ceil(patience), MAX_TIMER))
    const over = AbortSignal.any([closed.signal, limit, ...(signal ? [signal] : [])])
    let answered = false
    try {
      over.throwIfAborted()
      const id = headers.find(([name]) => name === ID_HEADER)?.[1]
      const bearer = typeof token === 'function' ? await unless(over, token()) : token
      const response = await fetch(base + path, {
        method: 'POST',
        body: body as Uint8Array<ArrayBuffer>,
        headers: {
          'Content-Type': 'application/octet-stream',
          [NATS_HEADERS]: encodeURIComponent(JSON.stringify(headers)),
          ...(id && /^[!-~]+$/.test(id) && { 'Idempotency-Key': id }),
          ...(bearer !== undefined && { Authorization: `Bearer ${bearer}` }),
        },
        signal: over,
      })
      answered = true
      if (response.ok) return { headers: response.headers, body: new Uint8Array(await response.arrayBuffer()) }
      const { code, detail }: { code?: SpanwireErrorCode; detail?: string } = await response.json().catch(() => ({}))
      throw new SpanwireError(code ?? 'request-refused', detail ?? `The bridge answered ${response.status}.`)
    } catch (cause) {
      if (closed.signal.aborted) throw closedError()
      if (signal?.aborted) throw new SpanwireError('aborted', 'The signal was aborted.', { cause })
      if (limit.aborted) throw new SpanwireError('timeout', `The bridge did not answer within ${patience} ms.`)
      if (isSpanwireError(cause)) throw cause
      throw answered
        ? new SpanwireError('connection-lost', 'The answer ended early: the request may have been processed.', {
            cause,
          })
        : new SpanwireError('connection-refused', 'The bridge is unreachable: check the URL.', { cause })
    }
  }

  const close = async () => {
    closed.abort()
    cell.set('closed', closedError())
  }
  return {
    edge: true,
    get status() {
      return cell.status
    },
    onStatus: (listener) => cell.listen(listener),
    async publish(subject, payload, { headers, signal, reply } = {}) {
      checkSubject(subject)
      if (reply !== undefined) throw new SpanwireError('unsupported', 'HTTP has no reply subjects: use request.')
      await post({ path: `/publish/${encodeURIComponent(subject)}`, body: payload, headers, patience, signal })
    },
    async request(subject, payload, { headers, timeout, signal }) {
      checkSubject(subject)
      const path = `/request/${encodeURIComponent(subject)}?timeout=${Math.max(1, Math.ceil(timeout))}`
      const answer = await post({ path, body: payload, headers, patience: timeout + patience, signal })
      const text = answer.headers.get(NATS_HEADERS)
      const message: TransportMessage = { subject, payload: answer.body, time: Date.now() }
      return text ? { ...message, headerBlock: encodeHeaders(JSON.parse(decodeURIComponent(text))) } : message
    },
    subscribe() {
      throw new SpanwireError('unsupported', 'HTTP cannot receive events: connect with the URL of the bridge.')
    },
    flush: async () => {
      if (closed.signal.aborted) throw closedError()
      await Promise.allSettled(underway)
    },
    async drain() {
      await Promise.allSettled(underway)
      await close()
    },
    close,
  }
}

/** Resolves like `work`. Rejects if the signal is aborted first. */
function unless<T>(over: AbortSignal, work: T | Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    over.addEventListener('abort', () => reject(over.reason), { once: true })
    Promise.resolve(work).then(resolve, reject)
  })
}
