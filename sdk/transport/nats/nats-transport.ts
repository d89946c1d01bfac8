import { isSpanwireError, SpanwireError } from '../../wire/errors.ts'
import { encodeHeaders, type HeaderFields } from '../../wire/headers.ts'
import { noResponders, timedOut } from '../answer.ts'
import { checkFilter, checkSize, checkSubject, closedError, onAbort, queueFull } from '../checks.ts'
import { type ConnectionInput, type Phase, toState, transition } from '../connection-state.ts'
import { createOfflineQueue, type OfflineOptions, type OfflineQueue } from '../offline-queue.ts'
import { StatusCell } from '../status-cell.ts'
import type {
  ConnectionStatus,
  SubscriptionHandler,
  Transport,
  TransportMessage,
  TransportPublishOptions,
  TransportRequestOptions,
  TransportSubscription,
} from '../transport.ts'
import type { NatsConnectionLike, NatsMessageLike, NatsStatusLike, NatsSubscriptionLike } from './nats-connection.ts'

/** What was sent to the client, or waits to be. */
interface Sending {
  readonly subject: string
  readonly size: number
  send(connection: NatsConnectionLike): void
  settle(error?: SpanwireError): void
}

interface Subscribed {
  readonly filter: string
  readonly queue: string | undefined
  readonly handler: SubscriptionHandler
  readonly ready: PromiseWithResolvers<void>
  remote: NatsSubscriptionLike | undefined
}

/**
 * Makes a connection, however long that takes, until the signal is aborted.
 * @param failed called with each attempt that failed
 */
export type NatsDial = (signal: AbortSignal, failed: (error: SpanwireError) => void) => Promise<NatsConnectionLike>

/** A transport as it is, or one on a connection. */
export function toTransport(connection: Transport | NatsConnectionLike): Transport {
  return 'onStatus' in connection ? connection : new NatsTransport(connection)
}

/** A transport on a connection of one of NATS's own JavaScript clients. */
export class NatsTransport implements Transport {
  readonly #cell: StatusCell
  readonly #queue: OfflineQueue<Sending>
  readonly #subscriptions = new Set<Subscribed>()
  /** Rejects what is under way when the connection is lost. */
  readonly #underway = new Set<(error: SpanwireError) => void>()
  #phase: Phase = 'connecting'
  #connection: NatsConnectionLike | undefined
  #batch: Sending[] | undefined
  /** Batches that are not confirmed, oldest first. */
  #batches: Sending[][] = []
  #flushes: Sending[] = []
  #lastFault: SpanwireError | undefined
  readonly #dialling = new AbortController()

  constructor(connection: NatsConnectionLike | NatsDial, offline?: OfflineOptions) {
    this.#cell = new StatusCell('connecting')
    this.#queue = createOfflineQueue(offline)
    if (typeof connection !== 'function') {
      this.#connected(connection)
      return
    }
    const failed = (error: SpanwireError) => this.#phase === 'connecting' && this.#enter('lost', error)
    connection(this.#dialling.signal, failed).then(
      (made) => this.#connected(made),
      (cause) => this.#end(toSpanwireError(cause)),
    )
  }

  get edge(): boolean | undefined {
    return this.#connection && this.#connection.info?.edge !== undefined
  }

  get maxPayload(): number | undefined {
    return this.#connection?.info?.max_payload
  }

  get status(): ConnectionStatus {
    return this.#cell.status
  }

  onStatus(listener: (status: ConnectionStatus) => void): () => void {
    return this.#cell.listen(listener)
  }

  async publish(subject: string, payload: Uint8Array, options: TransportPublishOptions = {}): Promise<void> {
    const { reply, headers, signal } = options
    const block = toBlock(headers)
    const size = payload.length + (block?.length ?? 0)
    this.#check(subject, size)
    if (reply !== undefined) checkSubject(reply)
    const encoded = toNatsHeaders(block)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const sending: Sending = {
      subject,
      size,
      send: (connection) => connection.publish(subject, payload, { ...(reply && { reply }), ...encoded }),
      settle: (error) => (error ? reject(error) : resolve()),
    }
    const release = onAbort(signal, (error) => {
      this.#queue.delete(sending)
      reject(error)
    })
    if (!signal?.aborted) this.#submit(sending)
    return promise.finally(release)
  }

  subscribe(
    filter: string,
    handler: SubscriptionHandler,
    { queue }: { readonly queue?: string } = {},
  ): TransportSubscription {
    this.#assertNotClosed()
    checkFilter(filter, queue)
    const ready = Promise.withResolvers<void>()
    ready.promise.catch(() => {})
    const subscribed: Subscribed = { filter, queue, handler, ready, remote: undefined }
    this.#subscriptions.add(subscribed)
    if (this.#connection) this.#attach(subscribed, this.#connection)
    const end = () => {
      this.#subscriptions.delete(subscribed)
      ready.reject(new SpanwireError('aborted', 'The subscription was ended before the server had it.'))
    }
    return {
      ready: ready.promise,
      unsubscribe: () => {
        if (!this.#subscriptions.has(subscribed)) return
        end()
        subscribed.remote?.unsubscribe()
      },
      drain: async () => {
        if (!this.#subscriptions.has(subscribed)) return
        if (subscribed.remote && this.#phase === 'open')
          await this.#unlessLost(subscribed.remote.drain()).catch(() => {})
        else subscribed.remote?.unsubscribe()
        end()
      },
    }
  }

  async request(subject: string, payload: Uint8Array, options: TransportRequestOptions): Promise<TransportMessage> {
    const { signal, headers } = options
    // The longest that a timer can wait, the client's included: beyond it, it fires at once.
    const timeout = Math.min(options.timeout, 2 ** 31 - 2_000)
    const block = toBlock(headers)
    const size = payload.length + (block?.length ?? 0)
    this.#check(subject, size)
    const encoded = toNatsHeaders(block)
    const deadline = Date.now() + timeout
    const { promise, resolve, reject } = Promise.withResolvers<TransportMessage>()
    const fail = (error: SpanwireError) => {
      this.#queue.delete(sending)
      reject(error)
    }
    const sending: Sending = {
      subject,
      size,
      send: (connection) => {
        // The client's own timeout comes a little later than ours, which names the subject.
        const answer = connection.request(subject, payload, {
          timeout: Math.max(deadline - Date.now(), 1) + 1_000,
          ...encoded,
        })
        this.#unlessLost(answer).then(
          (message) => resolve(toTransportMessage(message)),
          (error) => reject(isNoResponders(error) ? noResponders(subject) : toSpanwireError(error)),
        )
      },
      settle: (error) => error && reject(error),
    }
    const timer = setTimeout(() => fail(timedOut(subject, timeout, this.status)), timeout)
    const release = onAbort(signal, fail)
    if (!signal?.aborted) this.#submit(sending)
    return promise.finally(() => {
      clearTimeout(timer)
      release()
    })
  }

  async flush(): Promise<void> {
    this.#assertNotClosed()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const settle = (error?: SpanwireError) => (error ? reject(error) : resolve())
    const nothing: Sending = { subject: '', size: 0, send: () => {}, settle }
    if (this.#phase === 'open') this.#send(nothing)
    else this.#flushes.push(nothing)
    return promise
  }

  async drain(): Promise<void> {
    if (this.#phase === 'closed') return
    if (this.#phase === 'open') {
      await Promise.all([...this.#subscriptions].map(({ remote }) => remote && this.#unlessLost(remote.drain()))).catch(
        () => {},
      )
    }
    if (this.#phase === 'open' || this.#queue.length > 0) await this.flush().catch(() => {})
    await this.close()
  }

  async close(): Promise<void> {
    const connection = this.#connection
    this.#end(closedError())
    await connection?.close()
  }

  #connected(connection: NatsConnectionLike): void {
    if (this.#phase === 'closed') return void connection.close()
    this.#connection = connection
    void this.#follow(connection)
    connection.closed().then((error) => this.#end(error ? toSpanwireError(error) : (this.#lastFault ?? closedError())))
    for (const subscribed of this.#subscriptions) this.#attach(subscribed, connection)
    this.#opened()
  }

  async #follow(connection: NatsConnectionLike): Promise<void> {
    for await (const given of connection.status()) {
      const status = given as NatsStatusLike
      if (status.type === 'disconnect') this.#lost()
      else if (status.type === 'reconnect') this.#opened()
      else if (status.type === 'error') this.#erred(status)
    }
  }

  #opened(): void {
    this.#phase = transition(this.#phase, 'ready')
    for (const sending of this.#queue.take()) {
      try {
        checkSize(sending.size, this.#connection?.info)
        this.#send(sending)
      } catch (error) {
        sending.settle(error as SpanwireError)
      }
    }
    for (const waiting of this.#flushes.splice(0)) this.#send(waiting)
    this.#enter('ready')
  }

  #lost(): void {
    this.#reject(
      new SpanwireError('connection-lost', 'The connection was lost before NATS confirmed: it may have arrived.'),
    )
    this.#enter('lost', new SpanwireError('connection-lost', 'The connection to NATS was lost.'))
  }

  /** What a server complains about. Subscriptions hear of it by their callbacks. */
  #erred({ permissionContext, error, data }: NatsStatusLike): void {
    const { operation, subject } = permissionContext ?? error ?? {}
    if (operation !== 'publish') {
      this.#lastFault = toSpanwireError(error ?? { code: data })
      return
    }
    const refusal = new SpanwireError('permission-denied', `Permissions Violation for Publish to "${subject}"`)
    for (const sending of this.#batches[0] ?? []) if (sending.subject === subject) sending.settle(refusal)
  }

  #attach(subscribed: Subscribed, connection: NatsConnectionLike): void {
    const { filter, queue, handler, ready } = subscribed
    subscribed.remote = connection.subscribe(filter, {
      ...(queue !== undefined && { queue }),
      callback: (error: Error | null, message) => {
        if (!this.#subscriptions.has(subscribed)) return
        if (!error) return handler.message(toTransportMessage(message))
        this.#subscriptions.delete(subscribed)
        const refusal = toSpanwireError(error)
        ready.reject(refusal)
        handler.ended(refusal)
      },
    })
    this.#confirmReady(subscribed, connection)
  }

  /** Tries again after a connection that was lost meanwhile: the client restores its subscriptions itself. */
  #confirmReady(subscribed: Subscribed, connection: NatsConnectionLike): void {
    const { ready } = subscribed
    const confirmed = this.#phase === 'reconnecting' ? this.flush() : this.#unlessLost(settled(connection))
    confirmed.then(
      () => ready.resolve(),
      () => this.#subscriptions.has(subscribed) && this.#confirmReady(subscribed, connection),
    )
  }

  #submit(sending: Sending): void {
    if (this.#phase === 'open') return this.#send(sending)
    for (const refused of this.#queue.add(sending)) {
      refused.settle(queueFull())
    }
  }

  /** One flush confirms all that is sent during one turn. */
  #send(sending: Sending): void {
    const connection = this.#connection as NatsConnectionLike
    sending.send(connection)
    if (this.#batch) return void this.#batch.push(sending)
    const batch = [sending]
    this.#batch = batch
    this.#batches.push(batch)
    queueMicrotask(() => {
      this.#batch = undefined
      const settle = (error?: SpanwireError) => {
        this.#batches = this.#batches.filter((other) => other !== batch)
        for (const { settle } of batch) settle(error)
      }
      this.#unlessLost(settled(connection)).then(
        () => settle(),
        (error) => settle(toSpanwireError(error)),
      )
    })
  }

  /** The client's promises may stay open for ever when a connection is lost. */
  #unlessLost<T>(promise: Promise<T>): Promise<T> {
    const { promise: lost, reject } = Promise.withResolvers<never>()
    this.#underway.add(reject)
    return Promise.race([promise, lost]).finally(() => this.#underway.delete(reject))
  }

  #reject(error: SpanwireError): void {
    for (const reject of [...this.#underway]) reject(error)
  }

  #end(error: SpanwireError): void {
    if (this.#phase === 'closed') return
    this.#phase = 'closed'
    this.#dialling.abort()
    this.#reject(error)
    for (const batch of this.#batches) for (const { settle } of batch) settle(error)
    for (const sending of this.#queue.take()) sending.settle(error)
    for (const waiting of this.#flushes.splice(0)) waiting.settle(error)
    for (const { ready, handler } of [...this.#subscriptions]) {
      ready.reject(error)
      handler.ended(error)
    }
    this.#subscriptions.clear()
    this.#cell.set('closed', error)
  }

  #enter(input: ConnectionInput, error?: SpanwireError): void {
    this.#phase = transition(this.#phase, input)
    this.#cell.set(toState(this.#phase), error)
  }

  #check(subject: string, size: number): void {
    this.#assertNotClosed()
    checkSubject(subject)
    checkSize(size, this.#connection?.info)
  }

  #assertNotClosed(): void {
    if (this.#phase === 'closed') throw closedError()
  }
}

/** After a flush, and after the client has told what the server complained about before it. */
async function settled(connection: NatsConnectionLike): Promise<void> {
  await connection.flush()
  await new Promise<void>((resolve) => setTimeout(resolve))
}

function toBlock(headers: HeaderFields | undefined): Uint8Array | undefined {
  return headers && headers.length > 0 ? encodeHeaders(headers) : undefined
}

/** All that the clients do with headers to be sent is to encode them. */
function toNatsHeaders(block: Uint8Array | undefined): { headers?: never } {
  return block ? { headers: { encode: () => block } as never } : {}
}

function toTransportMessage(message: NatsMessageLike): TransportMessage {
  const headers = message.headers as { encode(): Uint8Array; code?: number; description?: string } | undefined
  const { subject, reply, data } = message
  const plain = { subject, ...(reply && { reply }), payload: data, time: Date.now() }
  if (!headers) return plain
  // The clients don't write a status that has no words: 503, when nobody listens.
  const { code = 0, description = '' } = headers
  return { ...plain, headerBlock: code > 0 && description === '' ? encodeHeaders([], code) : headers.encode() }
}

function isNoResponders(error: unknown): boolean {
  const { code, name, cause } = error as { code?: unknown; name?: string; cause?: { name?: string } }
  return String(code) === '503' || /^NoResponders/.test(name ?? '') || /^NoResponders/.test(cause?.name ?? '')
}

/** An error of one of the clients in Spanwire's words. */
export function toSpanwireError(error: unknown): SpanwireError {
  if (isSpanwireError(error)) return error
  const { code, name, message, chainedError } = error as {
    code?: unknown
    name?: string
    message?: string
    chainedError?: { message?: string }
  }
  const words = `${name ?? ''} ${code ?? ''} ${message ?? ''}`
  const kind = /permission/i.test(words)
    ? 'permission-denied'
    : /auth/i.test(words)
      ? 'authentication-failed'
      : /timeout/i.test(words)
        ? 'timeout'
        : /closed|draining/i.test(words)
          ? 'connection-closed'
          : /refused/i.test(words)
            ? 'connection-refused'
            : 'connection-lost'
  // The client's own word is often no more than CONNECTION_REFUSED; this one names the address.
  const text = [message || code || name, chainedError?.message].filter((part) => part).join(': ')
  return new SpanwireError(kind, `NATS: ${text}.`, { cause: error })
}
