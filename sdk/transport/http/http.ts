import { anySignal } from '../../kit/any-signal.ts'
import { lazy } from '../../kit/lazy.ts'
import { MAX_TIMER } from '../../kit/max-timer.ts'
import { isSpanwireError, SpanwireError, type SpanwireErrorCode } from '../../wire/errors.ts'
import { ID_HEADER, NATS_HEADERS } from '../../wire/header-names.ts'
import { encodeHeaders, type HeaderFields } from '../../wire/headers.ts'
import { askToken } from '../ask-token.ts'
import { checkSubject } from '../checks.ts'
import { StatusCell } from '../status-cell.ts'
import type { TokenSource } from '../token.ts'
import type { Transport, TransportMessage } from '../transport.ts'

/** Options of {@link http}. */
export interface HttpOptions {
  /** Address of a bridge, such as `https://bridge.example.com`. */
  readonly url: string | URL
  /** Sent as a Bearer token. A function is called for each request, and must return one. */
  readonly token?: TokenSource
  /**
   * Whether a page sends cookies. Default: without a `token` those of the bridge's origin (`include`), if the bridge takes
   * cookies (`auth.cookie`) of pages of this origin. In all other cases the default of the browser.
   */
  readonly credentials?: RequestCredentials
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

/** The body of a refusal (RFC 9457), with Spanwire's members. */
interface Problem {
  readonly code?: SpanwireErrorCode
  readonly detail?: string
  readonly issues?: SpanwireError['issues']
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
export function http({
  url,
  token,
  credentials,
  timeout: patience = 10_000,
  fetch = globalThis.fetch,
}: HttpOptions): Transport {
  const base = String(url).replace(/\/$/, '')
  // A page may leave out its origin.
  if (!/^(https?:\/)?\//i.test(base))
    throw new SpanwireError('invalid-argument', `${base} is not a valid address of a bridge: use https or http.`)
  const cell = new StatusCell('open')
  const closed = new AbortController()
  const underway = new Set<Promise<unknown>>()
  // Runtimes without pages have no cookies, and not all of them take this option.
  let mode = credentials ?? (token === undefined && globalThis.location ? 'include' : undefined)
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
    const { signal: over, end } = anySignal(closed.signal, limit, signal)
    let answered = false
    try {
      over.throwIfAborted()
      const id = headers.find(([name]) => name === ID_HEADER)?.[1]
      const bearer = typeof token === 'function' ? await unless(over, askToken(token, patience)) : token
      const send = () =>
        fetch(base + path, {
          method: 'POST',
          ...(mode && { credentials: mode }),
          body: body as Uint8Array<ArrayBuffer>,
          headers: {
            'Content-Type': 'application/octet-stream',
            [NATS_HEADERS]: encodeURIComponent(JSON.stringify(headers)),
            ...(id && /^[!-~]+$/.test(id) && { 'Idempotency-Key': id }),
            ...(bearer !== undefined && { Authorization: `Bearer ${bearer}` }),
          },
          signal: over,
        })
      const response = await send().catch(async (error) => {
        // It was not sent: a browser asks the bridge before it sends such a request.
        if (credentials || mode !== 'include' || (await takesCookies())) throw error
        mode = undefined
        return send()
      })
      answered = true
      if (response.ok) return { headers: response.headers, body: new Uint8Array(await response.arrayBuffer()) }
      const { code, detail, issues }: Problem = await response.json().catch(() => ({}))
      throw new SpanwireError(code ?? 'request-refused', detail ?? `The bridge answered ${response.status}.`, {
        issues,
      })
    } catch (cause) {
      if (closed.signal.aborted) throw closedError()
      if (signal?.aborted) throw new SpanwireError('aborted', 'The signal was aborted.', { cause })
      if (limit.aborted) throw new SpanwireError('timeout', `The bridge did not answer within ${patience} ms.`)
      if (isSpanwireError(cause)) throw cause
      throw answered
        ? new SpanwireError('connection-lost', 'The answer ended early: the request may have been processed.', {
            cause,
          })
        : new SpanwireError('connection-refused', await explain(), { cause })
    } finally {
      end()
    }
  }

  /** Whether the bridge lets this page send cookies; also true if it doesn't answer. */
  async function takesCookies(): Promise<boolean> {
    const answers = (given?: RequestInit) =>
      fetch(`${base}/nats`, given ?? {}).then(
        () => true,
        () => false,
      )
    return (await answers({ credentials: 'include' })) || !(await answers())
  }

  /** In a page, which can't see why. */
  async function explain(): Promise<string> {
    const { href } = globalThis.location ?? {}
    const address = href && new URL(base, href).href.replace(/\/$/, '')
    const found = address ? await reach(({ examine }) => examine(address)).catch(() => undefined) : undefined
    return found?.isReady === false ? found.error.message : 'The bridge is unreachable: check the URL.'
  }

  const close = async () => {
    closed.abort()
    cell.set('closed', closedError())
  }
  return {
    edge: true,
    unordered: true,
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

const reach = lazy(() => import('../reach.ts'))

/** Resolves like `work`. Rejects if the signal is aborted first. */
function unless<T>(over: AbortSignal, work: T | Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    over.addEventListener('abort', () => reject(over.reason), { once: true })
    Promise.resolve(work).then(resolve, reject)
  })
}
