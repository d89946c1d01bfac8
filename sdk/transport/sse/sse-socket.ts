import { createBackoff } from '../../kit/backoff.ts'
import { randomToken } from '../../kit/ids.ts'
import { pause } from '../../kit/pause.ts'
import { TUNNEL_HEADER } from '../../wire/header-names.ts'

/** Size of a POST, in bytes. A single larger frame is also sent. */
const MAX_POST = 512 * 1024
/** Delays before a POST that got no answer is sent again: 5 s in all on average, then the connection counts as lost. */
const RETRIES = { first: 250, longest: 500 }
const MAX_ATTEMPTS = 20
/** Time for the answer to a POST before a second POST is sent in parallel, in ms. */
const STALL = 1_000
/** Largest body that is sent twice, in bytes. A larger one may still be uploading. */
const MAX_TWICE = 64 * 1024

/**
 * A socket over HTTP. Bytes of the bridge arrive as Server-Sent Events. Bytes of the client are sent by POST, one at a time
 * and numbered, so that the bridge ignores a repeated POST.
 * Source: bridge/PROTOCOL.md, HTTP.
 */
export class SseSocket {
  binaryType = 'arraybuffer'
  onmessage: ((event: { readonly data: ArrayBuffer }) => void) | null = null
  onclose: ((event: { readonly code: number; readonly reason: string }) => void) | null = null
  readonly #url: URL
  /** Undefined: the default of the runtime. Some runtimes have no other mode. */
  #credentials: RequestCredentials | undefined
  readonly #ending = new AbortController()
  #key = ''
  #waiting: Uint8Array[] = []
  #posting = false
  #posted = 0
  #closed = false

  /**
   * @param url the WebSocket's
   * @param options.cookies whether a cookie authenticates the client
   */
  constructor(url: string, { cookies = false }: { readonly cookies?: boolean } = {}) {
    if (cookies && isPage()) this.#credentials = 'include'
    this.#url = new URL(url.replace(/^ws/, 'http'))
    this.#url.pathname = `${this.#url.pathname.replace(/\/$/, '')}/stream`
    // POSTs must be routed to the hub of the session.
    if (!this.#url.searchParams.has('client')) this.#url.searchParams.set('client', randomToken(16))
    this.#read().then(
      () => this.#close(1000, ''),
      () => this.#close(1006, ''),
    )
  }

  send(bytes: Uint8Array): void {
    if (this.#closed) return
    this.#waiting.push(bytes)
    void this.#post()
  }

  close(): void {
    this.#close(1000, '')
  }

  #close(code: number, reason: string): void {
    if (this.#closed) return
    this.#closed = true
    this.#waiting = []
    this.#ending.abort()
    // Like a WebSocket: not within the call of close().
    setTimeout(() => this.onclose?.({ code, reason }))
  }

  async #read(): Promise<void> {
    const open = () =>
      fetch(this.#url, {
        headers: { Accept: 'text/event-stream' },
        cache: 'no-store',
        ...toCredentials(this.#credentials),
        signal: this.#ending.signal,
      })
    const { body, ok } = await open().catch((error) => {
      if (!this.#credentials) throw error
      // A bridge without cookies does not accept requests with credentials.
      this.#credentials = undefined
      return open()
    })
    if (!ok || !body) throw undefined
    const reader = body.getReader()
    const decoder = new TextDecoder()
    let text = ''
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      text += decoder.decode(value, { stream: true })
      const end = text.lastIndexOf('\n') + 1
      if (end === 0) continue
      for (const line of text.slice(0, end).split('\n')) {
        if (line.startsWith('data: ')) this.#take(line.slice(6))
      }
      text = text.slice(end)
    }
  }

  #take(data: string): void {
    if (this.#closed) return
    if (this.#key === '') {
      this.#key = JSON.parse(data).key
      void this.#post()
    } else {
      this.onmessage?.({ data: Uint8Array.from(atob(data), (character) => character.charCodeAt(0)).buffer })
    }
  }

  async #post(): Promise<void> {
    if (this.#posting || this.#key === '') return
    this.#posting = true
    // Frames of one turn are sent together.
    await undefined
    while (this.#waiting.length > 0) {
      if (!(await this.#deliver(new Blob(this.#next() as BlobPart[])))) return this.#close(1006, '')
    }
    this.#posting = false
  }

  /** Removes the frames of the next POST: up to its size, and at least one. */
  #next(): Uint8Array[] {
    let count = 0
    let size = 0
    for (const { length } of this.#waiting) {
      size += length
      if (size > MAX_POST && count > 0) break
      count++
    }
    return this.#waiting.splice(0, count)
  }

  /** Repeats a POST until it is answered. The bridge detects repetitions by its number. */
  async #deliver(body: Blob): Promise<boolean> {
    const number = ++this.#posted
    const backoff = createBackoff(RETRIES)
    while (backoff.failures < MAX_ATTEMPTS && !this.#closed) {
      try {
        const status = await this.#send(body, number)
        // Errors of proxies are temporary.
        if (status < 500) return status === 204
      } catch {}
      await pause(backoff.next(), this.#ending.signal)
    }
    return false
  }

  /**
   * Resolves with the status of the answer. Over HTTP/1.1 a browser has six connections to a host, and event streams of
   * other tabs may hold all of them. It has six others for requests without credentials, and the key is enough here.
   */
  async #send(body: Blob, number: number): Promise<number> {
    const over = new AbortController()
    const post = async (credentials?: RequestCredentials) => {
      const { status } = await fetch(this.#url, {
        method: 'POST',
        body,
        headers: { [TUNNEL_HEADER]: `${this.#key} ${number}` },
        ...toCredentials(credentials),
        signal: over.signal,
      })
      return status
    }
    const end = () => over.abort()
    this.#ending.signal.addEventListener('abort', end)
    try {
      const first = post(this.#credentials)
      if (this.#credentials === 'omit' || body.size > MAX_TWICE || !isPage()) return await first
      const early = await Promise.race([first, pause(STALL, over.signal)])
      if (early !== undefined) return early
      const second = post('omit').then((status) => {
        // A load balancer that routes by cookies may have routed it to another bridge.
        if (status !== 204) throw undefined
        this.#credentials = 'omit'
        return status
      })
      return await Promise.any([first, second])
    } finally {
      this.#ending.signal.removeEventListener('abort', end)
      end()
    }
  }
}

/** Whether this is a page, or a worker of one. */
function isPage(): boolean {
  return 'location' in globalThis && 'navigator' in globalThis
}

function toCredentials(credentials: RequestCredentials | undefined): RequestInit {
  return credentials ? { credentials } : {}
}
