import type { Subscription as NatsSubscription, TlsOptions } from 'nats'
import { type BackoffOptions, createBackoff } from '../../sdk/kit/backoff.ts'
import { pause } from '../../sdk/kit/pause.ts'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import type { ServerInfo } from '../../sdk/wire/server-op.ts'
import { LiveConnection } from './live-connection.ts'
import type { Receiver } from './message-reader.ts'
import {
  createDialer,
  type Dialer,
  type NatsCredentials,
  type NatsLink,
  type OpenTcp,
  sendMessage,
} from './nats-client.ts'
import { FaultReporter, followStatus, toSpanwireError } from './nats-faults.ts'
import { OfflineBuffer } from './offline-buffer.ts'
import { recipients } from './recipients.ts'
import { StateCell } from './state-cell.ts'
import { SubjectTree } from './subject-tree.ts'
import type { EndSubscription, Upstream, UpstreamInfo, UpstreamMessage, UpstreamState } from './upstream.ts'
import { checkFilter, checkMessage, noRespondersMessage } from './upstream-message.ts'

/** Options of {@link createNatsUpstream}. */
export interface NatsUpstreamOptions {
  /** `nats://`, `tls://`, `ws://` or `wss://host:port`. A list names servers of one cluster, all with TCP or all with WebSocket. */
  readonly url: string | readonly string[]
  /** Credentials of the bridge at NATS. Default: the ones in the URL, if any. */
  readonly credentials?: NatsCredentials
  /** TLS options, such as certificates, for `nats://` and `tls://`. */
  readonly tls?: TlsOptions
  /** Opens TCP connections where the package `nats` cannot, as on Workers. `nats.ws` then runs on top, and `tls` is ignored. */
  readonly openTcp?: OpenTcp
  /** Name of the connection in NATS's monitoring. Default `spanwire`. */
  readonly name?: string
  /** Publishes that wait while NATS is unavailable. */
  readonly buffer?: {
    /** Largest size of all of them, in bytes. Default 8 MiB. */
    readonly maxBytes?: number
    /** Largest size of the publishes of one user, in bytes. Default: an eighth of `maxBytes`. */
    readonly maxBytesPerUser?: number
  }
  /**
   * Called with faults that do not end the upstream: `connection-refused` and `authentication-failed` (it keeps trying),
   * `connection-lost`, `permission-denied` if the upstream's own user lacks a permission, `payload-too-large`.
   * Default: `console.warn`.
   */
  readonly onError?: (error: SpanwireError) => void
  /** Timeout of one attempt to connect, in ms. Default 5,000. */
  readonly connectTimeout?: number
  /** Time for which NATS may leave a PING unanswered and send nothing else, in ms. Default 5,000. */
  readonly stallTimeout?: number
  /** Interval of PINGs, in ms. Default 20,000: middleboxes cut connections after about 100 s of silence. */
  readonly pingInterval?: number
  /** Waits between attempts to connect. */
  readonly backoff?: BackoffOptions
  /** Source of randomness for backoff and queue groups. Default `Math.random`. */
  readonly random?: () => number
}

const MIB = 1_048_576
/** Without permission for this request the bridge can't find the stream of a subject, as if JetStream were disabled. */
const FIND_STREAM = '$JS.API.STREAM.NAMES'

/**
 * An upstream on a NATS server (2.9 or later).
 *
 * It is returned in state `connecting` and dials in the background, without end, with exponential backoff and full jitter.
 * Publishes made while NATS is unavailable wait in a bounded buffer. They are sent, in order, before the state is `open`
 * again. A request made in that time gets a 503 status at once. Delivery is at most once, as in core NATS: messages in
 * flight when a connection breaks may be lost.
 * @throws SpanwireError `invalid-argument`
 */
export function createNatsUpstream(options: NatsUpstreamOptions): Upstream {
  return new NatsUpstream(options)
}

/** A subscription over all connections. */
class Subscription implements Receiver {
  readonly filter: string
  readonly queue: string | undefined
  readonly #deliver: (message: UpstreamMessage) => void
  readonly #finish: (subscription: Subscription) => void
  /** The subscription on the current connection. */
  remote: NatsSubscription | undefined
  /** Messages on this connection and on earlier ones. */
  received = 0
  receivedBefore = 0
  /** Number of messages after which the broker ends it. */
  limit: number = Number.POSITIVE_INFINITY
  /** The same, once messages that the broker had sent before are received. */
  max: number = Number.POSITIVE_INFINITY
  ended = false

  /** @param finish called once it has received `max` messages */
  constructor(
    { filter, queue }: Pick<Subscription, 'filter' | 'queue'>,
    deliver: (message: UpstreamMessage) => void,
    finish: (subscription: Subscription) => void,
  ) {
    this.filter = filter
    this.queue = queue
    this.#deliver = deliver
    this.#finish = finish
  }

  deliver(message: UpstreamMessage): void {
    if (this.ended) return
    this.received++
    try {
      this.#deliver(message)
    } catch {
      // An error would end the client's read loop, and with it all subscriptions.
    }
    if (this.received === this.max) this.#finish(this)
  }

  /** Delivers a status of the bridge itself, which the broker does not count. */
  deliverStatus(message: UpstreamMessage): void {
    if (!this.ended) this.#deliver(message)
  }
}

/** Bytes that a branch keeps while NATS is unavailable. There may be many branches. */
const BRANCH_BUFFER = 256 * 1024

class NatsUpstream implements Upstream {
  readonly #options: NatsUpstreamOptions
  readonly #dialer: Dialer
  readonly #random: () => number
  readonly #state = new StateCell('connecting')
  readonly #subscriptions = new SubjectTree<Subscription>()
  readonly #buffer: OfflineBuffer
  readonly #faults: FaultReporter
  readonly #closeRequested = Promise.withResolvers<void>()
  #current: LiveConnection | undefined
  #info: UpstreamInfo = { name: 'nats-server', maxPayload: MIB }

  /** @param isBranch see {@link Upstream.branch} */
  constructor(options: NatsUpstreamOptions, isBranch = false) {
    this.#options = options
    this.#random = options.random ?? Math.random
    this.#buffer = new OfflineBuffer(options.buffer?.maxBytes ?? 8 * MIB, options.buffer?.maxBytesPerUser)
    this.#faults = new FaultReporter(options.onError)
    this.#dialer = createDialer(typeof options.url === 'string' ? [options.url] : options.url, {
      name: options.name ?? 'spanwire',
      connectTimeout: options.connectTimeout ?? 5_000,
      ...(options.credentials && { credentials: options.credentials }),
      ...(options.tls && { tls: options.tls }),
      ...(options.openTcp && { openTcp: options.openTcp }),
      ...(isBranch && { noEcho: true }),
    })
    void this.#run()
  }

  get state(): UpstreamState {
    return this.#state.state
  }

  get info(): UpstreamInfo {
    return this.#info
  }

  async prepare(): Promise<void> {
    await this.#dialer.load()
  }

  onState(listener: (state: UpstreamState) => void): () => void {
    return this.#state.listen(listener)
  }

  subscribe(filter: string, queue: string | undefined, deliver: (message: UpstreamMessage) => void): EndSubscription {
    this.#assertNotClosed()
    checkFilter(filter, queue)
    const subscription = new Subscription({ filter, queue }, deliver, this.#finish)
    this.#subscriptions.add(filter, subscription)
    if (this.#current) this.#attach(subscription, this.#current)
    return (how = 'now') => {
      if (subscription.ended) return
      if (typeof how === 'object') this.#limit(subscription, how.after)
      else if (how === 'drain') this.#drain(subscription)
      else this.#end(subscription)
    }
  }

  publish(message: UpstreamMessage, user?: string): void {
    this.#assertNotClosed()
    const size = checkMessage(message, this.#info.maxPayload)
    const current = this.#current
    if (this.state !== 'open' || !current || current.connection.isClosed()) this.#keep(message, size, user)
    else current.send(message, size, user)
  }

  branch(): Upstream {
    return new NatsUpstream({ ...this.#options, buffer: { maxBytes: BRANCH_BUFFER } }, true)
  }

  async flush(): Promise<void> {
    this.#assertNotClosed()
    if (this.state !== 'open' || !this.#current)
      throw new SpanwireError('upstream-unavailable', 'NATS is unavailable at the moment. Try again.')
    try {
      await this.#current.roundTrip()
    } catch (error) {
      this.#assertNotClosed()
      throw error
    }
  }

  async close(): Promise<void> {
    if (this.state === 'closed') return
    const open = this.state === 'open'
    const current = this.#current
    for (const subscription of this.#subscriptions.values()) subscription.ended = true
    this.#subscriptions.clear()
    this.#buffer.drain()
    this.#state.set('closed')
    if (current && open) {
      // Recent publishes should still be sent. A broker that does not answer must not delay the end.
      await Promise.race([current.connection.flush().catch(() => {}), current.lost, pause(1_000)])
    }
    current?.lose(closed())
    this.#closeRequested.resolve()
  }

  /** Dials, uses the connection until it is lost, waits, and dials again. */
  async #run(): Promise<void> {
    const backoff = createBackoff(this.#options.backoff, this.#random)
    const closing = new AbortController()
    void this.#closeRequested.promise.then(() => closing.abort())
    while (!this.#isClosed) {
      try {
        const link = await this.#dialUnlessClosed()
        if (!link) return
        if (await this.#serve(link)) backoff.failures = 0
      } catch (error) {
        this.#faults.report(toSpanwireError(error))
      }
      await pause(backoff.next(), closing.signal)
    }
  }

  /** The NATS clients can't cancel a dial. If it succeeds after `close`, the connection is closed at once. */
  async #dialUnlessClosed(): Promise<NatsLink | undefined> {
    const dialled = this.#dialer.dial()
    dialled.then(
      (link) => this.state === 'closed' && link.destroy(),
      () => {},
    )
    const link = await Promise.race([dialled, this.#closeRequested.promise])
    return link && this.state !== 'closed' ? link : undefined
  }

  /** Uses a connection until it is lost. Returns whether it was ever open. */
  async #serve(link: NatsLink): Promise<boolean> {
    const { stallTimeout = 5_000, pingInterval = 20_000 } = this.#options
    const current = new LiveConnection(link, stallTimeout)
    this.#follow(current)
    this.#current = current
    let opened = false
    let heartbeat: ReturnType<typeof setInterval> | undefined
    try {
      for (const subscription of this.#subscriptions.values()) this.#attach(subscription, current)
      await current.roundTrip()
      if (this.state !== 'closed') {
        this.#sendBuffered(current)
        opened = true
        this.#faults.reset()
        heartbeat = setInterval(() => void current.roundTrip().catch(() => {}), pingInterval)
        this.#state.set('open')
      }
    } catch (error) {
      // The connection was lost in the meantime, and the first reason counts. Or it can't be used: silence would last for ever.
      current.lose(toSpanwireError(error))
    }
    const reason = await current.lost
    clearInterval(heartbeat)
    this.#current = undefined
    for (const subscription of this.#subscriptions.values()) {
      subscription.remote = undefined
      subscription.receivedBefore = subscription.received
    }
    link.destroy()
    if (opened) this.#state.set('reconnecting')
    if (this.state !== 'closed') this.#faults.report(reason)
    return opened
  }

  /** Reads INFO and follows the status of the connection. */
  #follow(current: LiveConnection): void {
    const { connection } = current
    void followStatus(connection, {
      fault: (error) => this.#faults.report(error),
      lameDuck: () => this.#leave(current),
      denied: (subject) => {
        // NATS does not answer a request without permission. Each one would run into its timeout.
        if (subject === FIND_STREAM) this.#info = { ...this.#info, jetstream: false }
      },
    })
    const { version, max_payload, jetstream = false, api_lvl } = (connection.info ?? {}) as Partial<ServerInfo>
    this.#info = {
      name: version ? `nats-server ${version}` : 'nats-server',
      ...(version && { version }),
      ...(api_lvl !== undefined && { apiLevel: api_lvl }),
      jetstream,
      maxPayload: max_payload ?? MIB,
    }
  }

  /**
   * Drains the connection to a server in lame duck mode: it confirms messages in flight, and delivers
   * messages that it has already assigned to a queue group. New publishes wait for another server.
   */
  #leave({ connection }: LiveConnection): void {
    if (this.state !== 'open') return
    this.#state.set('reconnecting')
    this.#faults.report(
      new SpanwireError('connection-lost', 'The NATS server is shutting down. Connecting to another one.'),
    )
    connection.drain().catch(() => {})
  }

  #attach(subscription: Subscription, current: LiveConnection): void {
    // A draining connection throws. The next connection gets all subscriptions.
    if (current.connection.isClosed() || current.connection.isDraining()) return
    subscription.remote = current.link.subscribe(subscription, subscription.queue)
    this.#sendLimit(subscription)
  }

  #limit(subscription: Subscription, max: number): void {
    if (subscription.received >= max) return this.#drain(subscription)
    subscription.limit = max
    this.#sendLimit(subscription)
    const apply = () => {
      if (subscription.ended) return
      subscription.max = max
      if (subscription.received >= max) this.#end(subscription)
    }
    // The broker may have sent more than `max` before it reads this.
    this.flush().then(apply, apply)
  }

  /** The broker counts messages of this connection. */
  #sendLimit({ remote, limit, receivedBefore }: Subscription): void {
    if (limit < Number.POSITIVE_INFINITY) remote?.unsubscribe(limit - receivedBefore)
  }

  #drain(subscription: Subscription): void {
    const { filter, remote } = subscription
    if (!remote || this.state !== 'open') return this.#end(subscription)
    this.#subscriptions.delete(filter, subscription)
    const end = () => {
      subscription.ended = true
    }
    remote.drain().then(end, end)
  }

  readonly #finish = (subscription: Subscription): void => this.#end(subscription)

  #end(subscription: Subscription): void {
    subscription.ended = true
    this.#subscriptions.delete(subscription.filter, subscription)
    subscription.remote?.unsubscribe()
  }

  /** Keeps a publish until NATS is available. A request is answered at once: a late reply would be useless. */
  #keep(message: UpstreamMessage, size: number, user: string | undefined): void {
    const requesters = message.reply === undefined ? [] : this.#subscriptions.match(message.reply)
    if (message.reply === undefined || requesters.length === 0) return this.#buffer.add(message, size, user)
    const answer = noRespondersMessage(message.reply)
    // As nats-server, which sends it to one subscription of the requester.
    const [subscription] = recipients(requesters, this.#random)
    queueMicrotask(() => {
      subscription?.deliverStatus(answer)
    })
  }

  #sendBuffered({ connection }: LiveConnection): void {
    for (const message of this.#buffer.drain()) {
      try {
        checkMessage(message, this.#info.maxPayload)
        sendMessage(connection, message)
      } catch (error) {
        // This server has a smaller limit than the one before.
        this.#faults.report(toSpanwireError(error))
      }
    }
  }

  get #isClosed(): boolean {
    return this.state === 'closed'
  }

  #assertNotClosed(): void {
    if (this.#isClosed) throw closed()
  }
}

function closed(): SpanwireError {
  return new SpanwireError('connection-closed', 'This upstream is closed. Create a new one.')
}
