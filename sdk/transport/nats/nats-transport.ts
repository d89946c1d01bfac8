import { createDeferred, type Deferred } from '../../kit/deferred.ts'
import { SpanwireError } from '../../wire/errors.ts'
import { noResponders, timedOut } from '../answer.ts'
import { checkFilter, checkSize, checkSubject, closedError, onAbort } from '../checks.ts'
import { createOutbound, type OfflineOptions, type Outbound, type Outgoing, type Pending } from '../outbound.ts'
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
import type { NatsConnectionLike, NatsStatusLike, NatsSubscriptionLike } from './nats-connection.ts'
import { isNoResponders, toNatsHeaders, toSpanwireError, toTransportMessage } from './nats-messages.ts'

/** Longest timeout of a request, in ms: the client's own timer is 1 s longer, and timers hold 31 bits. */
const MAX_TIMEOUT = 2 ** 31 - 2_000

interface Message extends Outgoing {
  send(connection: NatsConnectionLike): void
}

interface Subscription {
  readonly filter: string
  readonly queue: string | undefined
  readonly handler: SubscriptionHandler
  readonly ready: Deferred<void>
  remote: NatsSubscriptionLike | undefined
}

/**
 * Makes a connection, in as many attempts as it takes, until the signal is aborted.
 * @param failed called after each attempt that failed
 */
export type NatsDial = (signal: AbortSignal, failed: (error: SpanwireError) => void) => Promise<NatsConnectionLike>

/** Returns a transport as it is, and a connection as a transport. */
export function toTransport(connection: Transport | NatsConnectionLike): Transport {
  return 'onStatus' in connection ? connection : new NatsTransport(connection)
}

/** A transport on a connection of one of NATS's own JavaScript clients. */
export class NatsTransport implements Transport {
  readonly #cell = new StatusCell('connecting')
  readonly #outbound: Outbound<Message>
  readonly #subscriptions = new Set<Subscription>()
  /** Rejects operations of the clients when the connection is lost: their promises may stay open. */
  readonly #underway = new Set<(error: SpanwireError) => void>()
  readonly #dialling = new AbortController()
  #connection: NatsConnectionLike | undefined
  #lastFault: SpanwireError | undefined

  constructor(connection: NatsConnectionLike | NatsDial, offline?: OfflineOptions) {
    this.#outbound = createOutbound<Message>(
      this.#cell,
      offline,
      (message) => {
        checkSize(message.size, this.#connection?.info)
        if (this.#connection) message.send(this.#connection)
      },
      (round) => void this.#confirm(round),
    )
    if (typeof connection !== 'function') {
      this.#connected(connection)
      return
    }
    const failed = (error: SpanwireError) => {
      if (this.#cell.phase === 'connecting') this.#cell.set('reconnecting', error)
    }
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

  get apiLevel(): number | undefined {
    return this.#connection?.info?.api_lvl
  }

  get status(): ConnectionStatus {
    return this.#cell.status
  }

  onStatus(listener: (status: ConnectionStatus) => void): () => void {
    return this.#cell.listen(listener)
  }

  async publish(subject: string, payload: Uint8Array, options: TransportPublishOptions = {}): Promise<void> {
    const { reply, headers, signal } = options
    const { size, options: encoded } = this.#check(subject, payload, headers)
    checkSubject(reply)
    const send = (connection: NatsConnectionLike) =>
      connection.publish(subject, payload, { ...(reply && { reply }), ...encoded })
    return this.#outbound.publish((settle) => ({ subject, size, send, settle }), signal)
  }

  subscribe(
    filter: string,
    handler: SubscriptionHandler,
    { queue }: { readonly queue?: string | undefined } = {},
  ): TransportSubscription {
    this.#assertNotClosed()
    checkFilter(filter, queue)
    const ready = createDeferred()
    const subscription: Subscription = { filter, queue, handler, ready, remote: undefined }
    this.#subscriptions.add(subscription)
    if (this.#connection) this.#attach(subscription, this.#connection)
    const end = () => {
      this.#subscriptions.delete(subscription)
      ready.reject(new SpanwireError('aborted', 'The subscription ended before the server had registered it.'))
    }
    return {
      ready: ready.promise,
      unsubscribe: () => {
        if (!this.#subscriptions.has(subscription)) return
        end()
        subscription.remote?.unsubscribe()
      },
      drain: async () => {
        if (!this.#subscriptions.has(subscription)) return
        const { remote } = subscription
        if (remote && this.#cell.phase === 'open') await this.#unlessLost(remote.drain()).catch(() => {})
        else remote?.unsubscribe()
        end()
      },
    }
  }

  async request(subject: string, payload: Uint8Array, options: TransportRequestOptions): Promise<TransportMessage> {
    const { signal, headers } = options
    const timeout = Math.min(options.timeout, MAX_TIMEOUT)
    const { size, options: encoded } = this.#check(subject, payload, headers)
    const deadline = Date.now() + timeout
    const { promise, resolve, reject } = createDeferred<TransportMessage>()
    const send = (connection: NatsConnectionLike) => {
      // The client's own timeout is later than ours, whose error names the subject.
      const left = Math.max(deadline - Date.now(), 1) + 1_000
      this.#unlessLost(connection.request(subject, payload, { timeout: left, ...encoded })).then(
        (message) => resolve(toTransportMessage(message)),
        (error) => reject(isNoResponders(error) ? noResponders(subject) : toSpanwireError(error)),
      )
    }
    /** Removes the request from the offline queue. */
    const over = new AbortController()
    const timer = setTimeout(() => reject(timedOut(subject, timeout, this.status)), timeout)
    const release = onAbort(signal, reject)
    if (!signal?.aborted)
      this.#outbound.publish((settle) => ({ subject, size, send, settle }), over.signal).catch(reject)
    return promise.finally(() => {
      clearTimeout(timer)
      release()
      over.abort()
    })
  }

  async flush(): Promise<void> {
    this.#assertNotClosed()
    return this.#outbound.flush()
  }

  async drain(): Promise<void> {
    if (this.#cell.phase === 'closed') return
    if (this.#cell.phase === 'open') {
      const drained = [...this.#subscriptions].map(({ remote }) => remote && this.#unlessLost(remote.drain()))
      await Promise.all(drained).catch(() => {})
    }
    await this.#outbound.drain()
    await this.close()
  }

  async close(): Promise<void> {
    const connection = this.#connection
    this.#end(closedError())
    await connection?.close()
  }

  #connected(connection: NatsConnectionLike): void {
    if (this.#cell.phase === 'closed') return void connection.close()
    this.#connection = connection
    void this.#follow(connection)
    connection.closed().then((error) => this.#end(error ? toSpanwireError(error) : (this.#lastFault ?? closedError())))
    for (const subscription of this.#subscriptions) this.#attach(subscription, connection)
    this.#opened()
  }

  async #follow(connection: NatsConnectionLike): Promise<void> {
    for await (const given of connection.status()) {
      const status: NatsStatusLike = Object(given)
      if (status.type === 'disconnect') this.#lost()
      else if (status.type === 'reconnect') this.#opened()
      else if (status.type === 'error') this.#erred(status)
    }
  }

  #opened(): void {
    // Queued messages precede messages that listeners publish.
    this.#outbound.resume()
    this.#cell.set('open')
  }

  #lost(): void {
    this.#reject(
      new SpanwireError('connection-lost', 'The connection was lost before it was confirmed: it may have arrived.'),
    )
    this.#cell.set('reconnecting', new SpanwireError('connection-lost', 'The connection to NATS was lost.'))
  }

  /** Handles an error of the server. Errors of subscriptions arrive at their callbacks. */
  #erred({ permissionContext, error, data }: NatsStatusLike): void {
    const { operation, subject } = permissionContext ?? error ?? {}
    if (operation !== 'publish') {
      this.#lastFault = toSpanwireError(error ?? { code: data })
      return
    }
    const refusal = new SpanwireError('permission-denied', `Permissions Violation for Publish to "${subject}"`)
    for (const pending of this.#outbound.oldest) if (pending.subject === subject) pending.settle(refusal)
  }

  #attach(subscription: Subscription, connection: NatsConnectionLike): void {
    const { filter, queue, handler, ready } = subscription
    subscription.remote = connection.subscribe(filter, {
      ...(queue !== undefined && { queue }),
      callback: (error, message) => {
        if (!this.#subscriptions.has(subscription)) return
        if (!error) return handler.message(toTransportMessage(message))
        this.#subscriptions.delete(subscription)
        const refusal = toSpanwireError(error)
        ready.reject(refusal)
        handler.ended(refusal)
      },
    })
    void this.#confirmReady(subscription)
  }

  /** Tries again after a lost connection: the client restores its subscriptions itself. */
  async #confirmReady(subscription: Subscription): Promise<void> {
    while (this.#subscriptions.has(subscription)) {
      try {
        await this.#outbound.flush()
        return subscription.ready.resolve()
      } catch {}
    }
  }

  /** Confirms a round once a flush has succeeded and the client has reported the errors that came before it. */
  async #confirm(round: readonly Pending[]): Promise<void> {
    let failure: SpanwireError | undefined
    try {
      if (this.#connection) await this.#unlessLost(this.#connection.flush())
    } catch (error) {
      failure = toSpanwireError(error)
    }
    await new Promise<void>((resolve) => setTimeout(resolve))
    // A lost connection has settled its rounds already.
    if (this.#outbound.oldest === round) for (const pending of this.#outbound.confirmed()) pending.settle(failure)
  }

  /** Rejects when the connection is lost. */
  #unlessLost<T>(promise: Promise<T>): Promise<T> {
    const { promise: lost, reject } = createDeferred<never>()
    this.#underway.add(reject)
    return Promise.race([promise, lost]).finally(() => this.#underway.delete(reject))
  }

  #reject(error: SpanwireError): void {
    for (const reject of [...this.#underway]) reject(error)
    this.#outbound.lost(error)
  }

  #end(error: SpanwireError): void {
    if (this.#cell.phase === 'closed') return
    this.#cell.phase = 'closed'
    this.#dialling.abort()
    this.#reject(error)
    this.#outbound.end(error)
    for (const { ready, handler } of [...this.#subscriptions]) {
      ready.reject(error)
      handler.ended(error)
    }
    this.#subscriptions.clear()
    this.#cell.set('closed', error)
  }

  #check(subject: string, payload: Uint8Array, headers: TransportPublishOptions['headers']) {
    this.#assertNotClosed()
    checkSubject(subject)
    const { size, options } = toNatsHeaders(headers)
    checkSize(payload.length + size, this.#connection?.info)
    return { size: payload.length + size, options }
  }

  #assertNotClosed(): void {
    if (this.#cell.phase === 'closed') throw closedError()
  }
}
