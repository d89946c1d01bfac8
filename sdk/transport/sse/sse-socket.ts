import { createBackoff } from '../../kit/backoff.ts'
import { pause } from '../../kit/pause.ts'
import { TUNNEL_HEADER } from '../../wire/header-names.ts'

/** Size of a POST, in bytes. A single larger frame is also sent. */
const MAX_POST = 512 * 1024
/** Delays before a POST that got no answer is sent again: 5 s in all on average, then the connection counts as lost. */
const RETRIES = { first: 250, longest: 500 }
const MAX_ATTEMPTS = 20

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
  readonly #ending = new AbortController()
  #key = ''
  #waiting: Uint8Array[] = []
  #posting = false
  #posted = 0
  #closed = false

  /** @param url URL of the WebSocket */
  constructor(url: string) {
    this.#url = new URL(url.replace(/^ws/, 'http'))
    this.#url.pathname = `${this.#url.pathname.replace(/\/$/, '')}/stream`
    // POSTs must be routed to the hub of the session.
    if (!this.#url.searchParams.has('client')) this.#url.searchParams.set('client', crypto.randomUUID())
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
    const { body, ok } = await fetch(this.#url, {
      headers: { Accept: 'text/event-stream' },
      cache: 'no-store',
      signal: this.#ending.signal,
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
        const { status } = await fetch(this.#url, {
          method: 'POST',
          body,
          headers: { [TUNNEL_HEADER]: `${this.#key} ${number}` },
          signal: this.#ending.signal,
        })
        // Errors of proxies are temporary.
        if (status < 500) return status === 204
      } catch {}
      await pause(backoff.next(), this.#ending.signal)
    }
    return false
  }
}
