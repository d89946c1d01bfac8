import { type BackoffOptions, backoff } from '../connection/backoff.ts'
import { type ConnectionInput, type Phase, toState, transitions } from '../connection/connection-state.ts'
import { keepAlive } from '../connection/keep-alive.ts'
import { type OfflineOptions, OfflineQueue } from '../connection/offline-queue.ts'
import { isSpanwireError, SpanwireError } from '../errors.ts'
import { encodeFrame } from '../protocol/bytes.ts'
import { encodeConnect, encodePublish, encodeSubscribe, encodeUnsubscribe } from '../protocol/client-op.ts'
import { encodeHeaders } from '../protocol/headers.ts'
import type { ServerInfo } from '../protocol/server-op.ts'
import { checkFilter, checkSize, checkSubject, closedError, onAbort } from './checks.ts'
import { Inbox } from './inbox.ts'
import { type LinkHandler, NatsLink } from './nats-link.ts'
import type { Publication } from './publication.ts'
import { readServerError } from './server-error.ts'
import { StatusCell } from './status-cell.ts'
import type {
  ConnectionStatus,
  SubscriptionHandler,
  Transport,
  TransportMessage,
  TransportPublishOptions,
  TransportRequestOptions,
  TransportSubscription,
} from './transport.ts'

/** A token, or a function that brings a fresh one for every connection. */
export type TokenSource = string | (() => string | Promise<string>)

export interface WebSocketOptions {
  /**
   * `http(s)://` is the address of a bridge: `/nats` is appended to its path. `ws(s)://` is used as given: a plain
   * nats-server's listener (which takes any path), or a bridge's full address.
   */
  readonly url: string | URL
  /**
   * Sent as `auth_token`. If it is a string and is refused, the client closes; a function is asked again, and the
   * client closes after three refusals in a row, or when the function throws `authentication-failed`.
   */
  readonly token?: TokenSource
  readonly user?: string
  readonly pass?: string
  /** Shown in the server's monitoring. */
  readonly name?: string
  /** How long one attempt to connect may take, in ms. Default 10,000. */
  readonly connectTimeout?: number
  /** In ms. Default 25,000: middleboxes cut at about 100 s of silence. Two unanswered pings end the connection. */
  readonly pingInterval?: number
  readonly backoff?: BackoffOptions
  /** What is kept of publishes made while the connection isn't open. */
  readonly offline?: OfflineOptions
  /** Default `Math.random`. */
  readonly random?: () => number
}

/** Refusals in a row after which a token function isn't asked again. */
const MAX_REFUSALS = 3
// Frames are gathered up to this size: a bridge refuses frames of more than twice its max_payload.
const MAX_FRAME = 65_536
const PING = encodeFrame('PING')

/**
 * Spanwire's own NATS client over WebSocket.
 * Source: https://docs.nats.io/reference/reference-protocols/nats-protocol and bridge/PROTOCOL.md.
 * @throws SpanwireError `invalid-argument` for a URL that can't be dialled
 */
export function webSocket(options: WebSocketOptions): Transport {
  return new WebSocketTransport(options)
}

interface Subscription {
  readonly sid: string
  readonly filter: string
  readonly queue: string | undefined
  readonly handler: SubscriptionHandler
  readonly ready: PromiseWithResolvers<void>
}

/** What one PING confirms: everything that was sent before it. */
interface Round {
  readonly publications: Publication[]
  readonly subscriptions: Subscription[]
  readonly waiting: PromiseWithResolvers<void>[]
}

class WebSocketTransport implements Transport {
  readonly #options: WebSocketOptions
  readonly #url: string
  readonly #cell = new StatusCell('connecting')
  readonly #subscriptions = new Map<string, Subscription>()
  readonly #queue: OfflineQueue<Publication>
  readonly #inbox = new Inbox()
  #phase: Phase = 'connecting'
  #inboxOpen = false
  #lastSid = 0
  #link: NatsLink | undefined
  #info: ServerInfo | undefined
  /** Rounds whose PONG is awaited, oldest first. */
  #rounds: Round[] = []
  /** The round that the next PING will confirm. */
  #round: Round | undefined
  /** Waits for `open`. */
  #flushes: PromiseWithResolvers<void>[] = []
  #unanswered = 0
  #attempts = 0
  #refusals = 0
  #fault: SpanwireError | undefined
  #out: Uint8Array[] = []
  #outSize = 0
  #retry: ReturnType<typeof setTimeout> | undefined
  #heartbeat: ReturnType<typeof setInterval> | undefined
  readonly #wake = () => {
    if (this.#link) this.#ping()
    else if (this.#retry !== undefined) this.#dialAfter(0)
  }

  constructor(options: WebSocketOptions) {
    this.#options = options
    this.#url = toSocketUrl(options.url)
    this.#queue = new OfflineQueue(options.offline)
    globalThis.addEventListener?.('online', this.#wake)
    void this.#dial()
  }

  get status(): ConnectionStatus {
    return this.#cell.status
  }

  onStatus(listener: (status: ConnectionStatus) => void): () => void {
    return this.#cell.listen(listener)
  }

  async publish(subject: string, payload: Uint8Array, options: TransportPublishOptions = {}): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const publication = this.#submit(subject, payload, options, (error) => (error ? reject(error) : resolve()))
    const release = onAbort(options.signal, (error) => {
      this.#queue.delete(publication)
      publication.settle(error)
    })
    return promise.finally(release)
  }

  subscribe(
    filter: string,
    handler: SubscriptionHandler,
    { queue }: { readonly queue?: string } = {},
  ): TransportSubscription {
    this.#assertNotClosed()
    checkFilter(filter, queue)
    const subscription: Subscription = {
      sid: String(++this.#lastSid),
      filter,
      queue,
      handler,
      ready: Promise.withResolvers(),
    }
    const { sid, ready } = subscription
    ready.promise.catch(() => {})
    this.#subscriptions.set(sid, subscription)
    if (this.#info) this.#sendSubscribe(subscription)
    const end = () => {
      this.#subscriptions.delete(sid)
      ready.reject(new SpanwireError('aborted', 'The subscription was ended before the server had it.'))
    }
    const isLive = () => this.#subscriptions.get(sid) === subscription
    return {
      ready: ready.promise,
      unsubscribe: () => {
        if (!isLive()) return
        end()
        if (this.#info) this.#send(encodeUnsubscribe(sid))
      },
      drain: async () => {
        if (!isLive()) return
        if (this.#info) {
          this.#send(encodeUnsubscribe(sid))
          // What the server had sent before arrives before its PONG. If the connection is lost, nothing more comes.
          await this.#confirm().catch(() => {})
        }
        end()
      },
    }
  }

  async request(subject: string, payload: Uint8Array, options: TransportRequestOptions): Promise<TransportMessage> {
    this.#assertNotClosed()
    if (!this.#inboxOpen) {
      this.#inboxOpen = true
      this.subscribe(this.#inbox.filter, {
        message: (message) => this.#inbox.message(message),
        ended: (error) => {
          this.#inboxOpen = false
          this.#inbox.failAll(error as SpanwireError)
        },
      })
    }
    const { timeout, signal, headers } = options
    const { reply, answered, sent, fail } = this.#inbox.open(subject)
    answered.catch(() => {})
    let publication: Publication | undefined
    const giveUp = (error: SpanwireError) => {
      if (publication) this.#queue.delete(publication)
      fail(error)
    }
    const timer = setTimeout(
      () => giveUp(new SpanwireError('timeout', `No answer from ${subject} within ${timeout} ms.`)),
      timeout,
    )
    const release = onAbort(signal, giveUp)
    try {
      publication = this.#submit(
        subject,
        payload,
        { reply, ...(headers && { headers }), ...(signal && { signal }) },
        (error) => (error ? fail(error) : sent()),
      )
      return await answered
    } finally {
      clearTimeout(timer)
      release()
    }
  }

  async flush(): Promise<void> {
    this.#assertNotClosed()
    if (this.#phase === 'open') return this.#confirm()
    const waiting = Promise.withResolvers<void>()
    this.#flushes.push(waiting)
    return waiting.promise
  }

  async drain(): Promise<void> {
    if (this.#phase === 'closed') return
    if (this.#info) {
      for (const { sid } of this.#subscriptions.values()) this.#send(encodeUnsubscribe(sid))
      await this.#confirm().catch(() => {})
    }
    if (this.#queue.length > 0) await this.flush().catch(() => {})
    await this.close()
  }

  async close(): Promise<void> {
    this.#end(closedError())
  }

  #submit(
    subject: string,
    payload: Uint8Array,
    { reply, headers, signal }: TransportPublishOptions,
    settle: (error?: SpanwireError) => void,
  ): Publication {
    this.#assertNotClosed()
    checkSubject(subject)
    if (reply !== undefined) checkSubject(reply)
    const block = headers && headers.length > 0 ? encodeHeaders(headers) : undefined
    const size = payload.length + (block?.length ?? 0)
    if (this.#info) checkSize(size, this.#info.max_payload)
    const frame = encodePublish(subject, payload, reply, block)
    const publication: Publication = { frame, subject, reply, size, settle }
    if (signal?.aborted) return publication
    if (this.#phase === 'open') {
      this.#sendPublication(publication)
    } else {
      for (const refused of this.#queue.add(publication)) {
        refused.settle(
          new SpanwireError('offline-queue-full', 'Too much was published while offline: this message was not sent.'),
        )
      }
    }
    return publication
  }

  #sendPublication(publication: Publication): void {
    this.#send(publication.frame)
    this.#currentRound().publications.push(publication)
  }

  #sendSubscribe(subscription: Subscription): void {
    this.#send(encodeSubscribe(subscription.filter, subscription.sid, subscription.queue))
    this.#currentRound().subscriptions.push(subscription)
  }

  /** Resolves when the server has processed everything sent so far. */
  #confirm(): Promise<void> {
    const waiting = Promise.withResolvers<void>()
    this.#currentRound().waiting.push(waiting)
    this.#scheduleFlush()
    return waiting.promise
  }

  #ping(): void {
    this.#currentRound()
    this.#scheduleFlush()
  }

  #currentRound(): Round {
    this.#round ??= { publications: [], subscriptions: [], waiting: [] }
    return this.#round
  }

  #send(bytes: Uint8Array): void {
    this.#scheduleFlush()
    if (this.#outSize + bytes.length > MAX_FRAME) this.#write()
    this.#out.push(bytes)
    this.#outSize += bytes.length
  }

  #flushScheduled = false

  /** What is sent during one turn leaves together, followed by one PING that confirms it. */
  #scheduleFlush(): void {
    if (this.#flushScheduled) return
    this.#flushScheduled = true
    queueMicrotask(() => {
      this.#flushScheduled = false
      if (!this.#info) return
      if (this.#round) {
        this.#out.push(PING)
        this.#outSize += PING.length
        this.#rounds.push(this.#round)
        this.#round = undefined
      }
      this.#write()
    })
  }

  #write(): void {
    if (this.#out.length === 0) return
    const frame = new Uint8Array(this.#outSize)
    let at = 0
    for (const bytes of this.#out) {
      frame.set(bytes, at)
      at += bytes.length
    }
    this.#out = []
    this.#outSize = 0
    this.#link?.send(frame)
  }

  async #dial(): Promise<void> {
    this.#retry = undefined
    const { token: source, connectTimeout = 10_000 } = this.#options
    let token: string | undefined
    try {
      token = typeof source === 'function' ? await source() : source
    } catch (cause) {
      if (isSpanwireError(cause, 'authentication-failed')) return this.#end(cause)
      return this.#lost(new SpanwireError('connection-refused', 'The token function failed: trying again.', { cause }))
    }
    if (this.#phase === 'closed') return
    let timer: ReturnType<typeof setTimeout> | undefined
    const handler: LinkHandler = {
      info: (info) => this.#informed(info, token),
      message: (sid, message) => this.#subscriptions.get(sid)?.handler.message(message),
      error: (text) => this.#erred(text),
      pong: () => this.#ponged(),
      lost: (error) => {
        clearTimeout(timer)
        this.#lost(this.#fault ?? error)
      },
    }
    try {
      this.#link = new NatsLink(this.#url, handler)
    } catch (cause) {
      // A page may be forbidden to dial it (mixed content, Content-Security-Policy).
      return this.#lost(new SpanwireError('connection-refused', 'This runtime refuses to dial the URL.', { cause }))
    }
    timer = setTimeout(
      () => this.#link?.end(new SpanwireError('connection-refused', `No connection within ${connectTimeout} ms.`)),
      connectTimeout,
    )
    this.#connected = () => clearTimeout(timer)
  }

  #connected: () => void = () => {}

  #informed(info: ServerInfo, token: string | undefined): void {
    const first = !this.#info
    this.#info = info
    if (first) {
      const { user, pass, name } = this.#options
      this.#link?.send(
        encodeConnect({
          verbose: false,
          pedantic: false,
          echo: true,
          headers: true,
          no_responders: true,
          protocol: 1,
          lang: 'spanwire',
          version: '0.1.0',
          ...(token !== undefined && { auth_token: token }),
          ...(user !== undefined && { user }),
          ...(pass !== undefined && { pass }),
          ...(name !== undefined && { name }),
        }),
      )
      for (const subscription of this.#subscriptions.values()) this.#sendSubscribe(subscription)
      this.#ping()
      return
    }
    // Still in the handshake: the first PONG settles it.
    if (this.#heartbeat === undefined) return
    if (info.edge?.upstream === 'reconnecting') this.#stalled()
    else if (this.#phase === 'stalled') this.#opened()
    // Lame duck: what is under way is confirmed, then another server is looked for.
    if (info.ldm) {
      const moved = new SpanwireError('connection-lost', 'The server is about to shut down: connecting anew.')
      const link = this.#link
      this.#confirm().then(
        () => link?.end(moved),
        () => {},
      )
    }
  }

  #ponged(): void {
    const round = this.#rounds.shift()
    if (!round) return
    this.#unanswered = 0
    if (this.#heartbeat === undefined) {
      this.#connected()
      this.#heartbeat = setInterval(() => this.#beat(), this.#options.pingInterval ?? 25_000)
      this.#attempts = 0
      this.#refusals = 0
      if (this.#info?.edge?.upstream === 'reconnecting') this.#stalled()
      else this.#opened()
    }
    for (const publication of round.publications) publication.settle()
    for (const waiting of round.waiting) waiting.resolve()
    if (this.#phase === 'open') for (const { ready } of round.subscriptions) ready.resolve()
    else this.#unconfirmed.push(...round.subscriptions)
  }

  /** Subscriptions the bridge has, while NATS behind it is away. */
  #unconfirmed: Subscription[] = []

  #stalled(): void {
    this.#enter('stall', new SpanwireError('upstream-unavailable', 'The bridge has lost NATS, and is reconnecting.'))
  }

  #opened(): void {
    for (const { ready } of this.#unconfirmed.splice(0)) ready.resolve()
    // Listeners may publish: what has waited goes first.
    const max = this.#info?.max_payload ?? 0
    for (const publication of this.#queue.take()) {
      try {
        checkSize(publication.size, max)
        this.#sendPublication(publication)
      } catch (error) {
        publication.settle(error as SpanwireError)
      }
    }
    for (const waiting of this.#flushes.splice(0)) this.#confirm().then(waiting.resolve, waiting.reject)
    this.#enter('ready')
  }

  #beat(): void {
    if (keepAlive(this.#unanswered) === 'dead') {
      this.#link?.end(new SpanwireError('connection-lost', 'The server has stopped answering.'))
    } else {
      this.#unanswered++
      this.#ping()
    }
  }

  #erred(text: string): void {
    const fault = readServerError(text)
    const { about, error } = fault
    if (about === 'publish') {
      for (const publication of this.#rounds[0]?.publications ?? []) {
        if (publication.subject === fault.subject || publication.reply === fault.subject) publication.settle(error)
      }
    } else if (about === 'subscription') {
      for (const subscription of [...this.#subscriptions.values()]) {
        if (subscription.filter === fault.filter && subscription.queue === fault.queue)
          this.#refuse(subscription, error)
      }
    } else if (about === 'newest-subscription') {
      const newest = this.#rounds[0]?.subscriptions.pop()
      if (newest) this.#refuse(newest, error)
    } else {
      this.#fault = error
      if (about === 'credentials') this.#link?.end(error)
    }
  }

  #refuse(subscription: Subscription, error: SpanwireError): void {
    this.#subscriptions.delete(subscription.sid)
    subscription.ready.reject(error)
    subscription.handler.ended(error)
  }

  /** The connection, or an attempt to make one, is gone. */
  #lost(error: SpanwireError): void {
    this.#abandon(
      new SpanwireError(
        'connection-lost',
        'The connection was lost before the server confirmed: it may have arrived.',
        {
          cause: error,
        },
      ),
    )
    if (this.#phase === 'closed') return
    if (error.code === 'authentication-failed') {
      this.#refusals++
      if (typeof this.#options.token !== 'function' || this.#refusals >= MAX_REFUSALS) return this.#end(error)
    }
    this.#dialAfter(backoff(this.#attempts++, this.#options.backoff ?? {}, this.#options.random ?? Math.random))
    this.#enter('lost', error)
  }

  #dialAfter(ms: number): void {
    clearTimeout(this.#retry)
    this.#retry = setTimeout(() => void this.#dial(), ms)
  }

  /** Forgets everything that belongs to one connection. */
  #abandon(error: SpanwireError): void {
    clearInterval(this.#heartbeat)
    this.#heartbeat = undefined
    this.#link = undefined
    this.#info = undefined
    this.#fault = undefined
    this.#unanswered = 0
    this.#out = []
    this.#outSize = 0
    const rounds = this.#round ? [...this.#rounds, this.#round] : this.#rounds
    this.#rounds = []
    this.#round = undefined
    this.#unconfirmed = []
    this.#inbox.failAll(error, true)
    for (const { publications, waiting } of rounds) {
      for (const publication of publications) publication.settle(error)
      for (const { reject } of waiting) reject(error)
    }
  }

  #end(error: SpanwireError): void {
    if (this.#phase === 'closed') return
    clearTimeout(this.#retry)
    globalThis.removeEventListener?.('online', this.#wake)
    const link = this.#link
    this.#phase = 'closed'
    this.#write()
    this.#abandon(error)
    link?.end(error)
    for (const publication of this.#queue.take()) publication.settle(error)
    for (const { reject } of this.#flushes.splice(0)) reject(error)
    for (const subscription of [...this.#subscriptions.values()]) this.#refuse(subscription, error)
    this.#inbox.failAll(error)
    this.#cell.set('closed', error)
  }

  #enter(input: ConnectionInput, error?: SpanwireError): void {
    this.#phase = transitions[this.#phase][input]
    this.#cell.set(toState(this.#phase), error)
  }

  #assertNotClosed(): void {
    if (this.#phase === 'closed') throw closedError()
  }
}

function toSocketUrl(given: string | URL): string {
  try {
    const url = new URL(given)
    if (url.protocol.startsWith('http')) {
      url.protocol = url.protocol.replace('http', 'ws')
      url.pathname = `${url.pathname.replace(/\/$/, '')}/nats`
    }
    if (/^wss?:$/.test(url.protocol)) return url.href
  } catch {}
  throw new SpanwireError('invalid-argument', 'The URL must be https:// or http:// (a bridge), or wss:// or ws://.')
}
