import type { NatsConnection, Subscription as NatsSubscription, TlsOptions } from 'nats'
import { type BackoffOptions, createBackoff } from '../../sdk/kit/backoff.ts'
import { pause } from '../../sdk/kit/pause.ts'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { checkFilter, checkMessage, noRespondersMessage } from './message.ts'
import { createDial, type Dial, type NatsCredentials, type NatsLink, type OpenTcp, sendMessage } from './nats-client.ts'
import { followStatus, toSpanwireError } from './nats-faults.ts'
import { OfflineBuffer } from './offline-buffer.ts'
import { recipients } from './recipients.ts'
import { RoundTrips } from './round-trips.ts'
import { StateCell } from './state-cell.ts'
import { SubjectTree } from './subject-tree.ts'
import type { EndSubscription, Upstream, UpstreamInfo, UpstreamMessage, UpstreamState } from './upstream.ts'

export interface NatsUpstreamOptions {
  /** One server, or all of a cluster's: `nats://`, `tls://`, `ws://` or `wss://host:port`. */
  readonly url: string | readonly string[]
  readonly credentials?: NatsCredentials
  /** Certificates and the like, for `nats://` and `tls://`. */
  readonly tls?: TlsOptions
  /** Opens TCP where the package `nats` can't: on Workers. Then `nats.ws` speaks over it, and `tls` is of no account. */
  readonly openTcp?: OpenTcp
  /** The connection's name in the broker's monitoring. Default `spanwire`. */
  readonly name?: string
  readonly buffer?: {
    /** Most that is kept of publishes made while the broker is out of reach, in bytes. Default 8 MiB. */
    readonly maxBytes?: number
  }
  /**
   * Hears of what goes wrong without ending anything: `connection-refused` and `authentication-failed` (it goes on
   * trying), `connection-lost`, `permission-denied` for what the upstream's own user may not do, `payload-too-large`.
   * Default: `console.warn`.
   */
  readonly onError?: (error: SpanwireError) => void
  /** How long one attempt to connect may take, in ms. Default 5,000. */
  readonly connectTimeout?: number
  /** How long the broker may leave a PING unanswered without sending anything else, in ms. Default 5,000. */
  readonly stallTimeout?: number
  /** How often a quiet connection is checked, in ms. Default 20,000: middleboxes cut at about 100 s of silence. */
  readonly pingInterval?: number
  readonly backoff?: BackoffOptions
  /** Default `Math.random`. */
  readonly random?: () => number
}

const MIB = 1_048_576
/** Without it the bridge can't know what a stream keeps: as if there were no JetStream. */
const FIND_STREAM = '$JS.API.STREAM.NAMES'
// So much may be on its way to a broker that has confirmed none of it. More would be memory that a slow broker takes
// from the bridge (a Durable Object has 128 MB).
const MAX_UNCONFIRMED = 32 * MIB
// After so much a PING is sent without waiting for the next interval.
const PING_AFTER = MIB

/**
 * An upstream on a NATS server (2.9 or later).
 *
 * It is returned at once, in state `connecting`, and dials in the background: for ever, with exponential backoff and
 * full jitter. What is published while the broker is out of reach waits in a bounded buffer and is sent, in order,
 * before the state is `open` again; a request made in that time is answered with a 503 status at once. Delivery is
 * that of core NATS, at most once: what was on its way when a connection broke may be lost.
 * @throws SpanwireError `invalid-argument`
 */
export function createNatsUpstream(options: NatsUpstreamOptions): Upstream {
  return new NatsUpstream(options)
}

interface Subscription {
  readonly filter: string
  readonly queue: string | undefined
  readonly deliver: (message: UpstreamMessage) => void
  /** What it is on the current connection. */
  remote: NatsSubscription | undefined
  ended: boolean
}

/** A connection in use: made, perhaps still being prepared, not yet lost. */
interface Current {
  readonly link: NatsLink
  readonly connection: NatsConnection
  readonly roundTrips: RoundTrips
  readonly lose: (reason: SpanwireError) => void
}

class NatsUpstream implements Upstream {
  readonly #options: NatsUpstreamOptions
  readonly #dial: Dial
  readonly #random: () => number
  readonly #state = new StateCell('connecting')
  readonly #subscriptions = new SubjectTree<Subscription>()
  readonly #buffer: OfflineBuffer
  readonly #closing = Promise.withResolvers<void>()
  #current: Current | undefined
  #info: UpstreamInfo = { name: 'nats-server', maxPayload: MIB }
  #lastReport = ''

  constructor(options: NatsUpstreamOptions) {
    this.#options = options
    this.#random = options.random ?? Math.random
    this.#buffer = new OfflineBuffer(options.buffer?.maxBytes ?? 8 * MIB)
    this.#dial = createDial(typeof options.url === 'string' ? [options.url] : options.url, {
      name: options.name ?? 'spanwire',
      connectTimeout: options.connectTimeout ?? 5_000,
      ...(options.credentials && { credentials: options.credentials }),
      ...(options.tls && { tls: options.tls }),
      ...(options.openTcp && { openTcp: options.openTcp }),
    })
    void this.#run()
  }

  get state(): UpstreamState {
    return this.#state.state
  }

  get info(): UpstreamInfo {
    return this.#info
  }

  onState(listener: (state: UpstreamState) => void): () => void {
    return this.#state.listen(listener)
  }

  subscribe(filter: string, queue: string | undefined, deliver: (message: UpstreamMessage) => void): EndSubscription {
    this.#assertNotClosed()
    checkFilter(filter, queue)
    const subscription: Subscription = { filter, queue, deliver, remote: undefined, ended: false }
    this.#subscriptions.add(filter, subscription)
    if (this.#current) this.#attach(subscription, this.#current)
    return (how = 'now') => {
      if (subscription.ended) return
      this.#subscriptions.delete(filter, subscription)
      const { remote } = subscription
      if (how === 'drain' && remote && this.state === 'open') {
        const end = () => {
          subscription.ended = true
        }
        remote.drain().then(end, end)
        return
      }
      subscription.ended = true
      remote?.unsubscribe()
    }
  }

  publish(message: UpstreamMessage): void {
    this.#assertNotClosed()
    const size = checkMessage(message, this.#info.maxPayload)
    const current = this.#current
    if (this.state !== 'open' || !current || current.connection.isClosed()) return this.#keep(message, size)
    const { roundTrips } = current
    if (roundTrips.unconfirmed + size > MAX_UNCONFIRMED)
      throw new SpanwireError('upstream-unavailable', "NATS doesn't keep up with what is published: try again later.")
    sendMessage(current.connection, message)
    roundTrips.sent(size)
    if (roundTrips.unconfirmed > PING_AFTER && !roundTrips.underway) roundTrips.make().catch(() => {})
  }

  async flush(): Promise<void> {
    this.#assertNotClosed()
    if (this.state !== 'open' || !this.#current)
      throw new SpanwireError('upstream-unavailable', 'NATS is out of reach for the moment: try again.')
    try {
      await this.#current.roundTrips.make()
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
      // What was published a moment ago should still leave; a broker that doesn't answer is not waited for.
      await Promise.race([current.connection.flush().catch(() => {}), current.roundTrips.lost, pause(1_000)])
    }
    current?.lose(closed())
    this.#closing.resolve()
  }

  /** Dials, serves the connection until it is lost, waits, dials again. */
  async #run(): Promise<void> {
    const backoff = createBackoff(this.#options.backoff, this.#random)
    const closing = new AbortController()
    void this.#closing.promise.then(() => closing.abort())
    while (!this.#isClosed) {
      try {
        const link = await this.#dialUnlessClosed()
        if (!link) return
        if (await this.#serve(link)) backoff.failures = 0
      } catch (error) {
        this.#report(toSpanwireError(error))
      }
      await pause(backoff.next(), closing.signal)
    }
  }

  /** The clients can't take a dial back: if it succeeds after `close`, that connection is ended at once. */
  async #dialUnlessClosed(): Promise<NatsLink | undefined> {
    const dialled = this.#dial()
    dialled.then(
      (link) => this.state === 'closed' && link.destroy(),
      () => {},
    )
    const link = await Promise.race([dialled, this.#closing.promise])
    return link && this.state !== 'closed' ? link : undefined
  }

  /** Uses a connection until it is lost. Returns whether it ever was open. */
  async #serve(link: NatsLink): Promise<boolean> {
    const { connection } = link
    const { stallTimeout = 5_000, pingInterval = 20_000 } = this.#options
    const { promise: lost, resolve: lose } = Promise.withResolvers<SpanwireError>()
    const roundTrips = new RoundTrips(link, lost, stallTimeout, lose)
    const current: Current = { link, connection, roundTrips, lose }
    connection.closed().then((error) =>
      lose(
        new SpanwireError('connection-lost', `The connection to NATS was lost${error ? ` (${error.message})` : ''}.`, {
          cause: error ?? undefined,
        }),
      ),
    )
    void followStatus(
      connection,
      (error) => this.#report(error),
      () => this.#leave(current),
      (subject) => {
        // What isn't answered for want of a permission would be waited for each time.
        if (subject === FIND_STREAM) this.#info = { ...this.#info, jetstream: false }
      },
    )
    const { version, max_payload, jetstream = false } = connection.info ?? {}
    this.#info = {
      name: `nats-server ${version ?? ''}`.trim(),
      ...(version && { version }),
      jetstream,
      maxPayload: max_payload ?? MIB,
    }
    this.#current = current
    let opened = false
    let heartbeat: ReturnType<typeof setInterval> | undefined
    try {
      for (const subscription of this.#subscriptions.values()) this.#attach(subscription, current)
      await roundTrips.make()
      if (this.state !== 'closed') {
        this.#sendBuffered(connection)
        opened = true
        this.#lastReport = ''
        heartbeat = setInterval(() => void roundTrips.make().catch(() => {}), pingInterval)
        this.#state.set('open')
      }
    } catch {
      // Lost while being prepared; `lost` has the reason.
    }
    const reason = await lost
    clearInterval(heartbeat)
    this.#current = undefined
    for (const subscription of this.#subscriptions.values()) subscription.remote = undefined
    link.destroy()
    if (opened) this.#state.set('reconnecting')
    if (this.state !== 'closed') this.#report(reason)
    return opened
  }

  /**
   * What is under way is confirmed, what the server chose a queue group's member for is delivered, and what is published
   * from now on waits for another server.
   */
  #leave({ connection }: Current): void {
    if (this.state !== 'open') return
    this.#state.set('reconnecting')
    this.#report(new SpanwireError('connection-lost', 'The NATS server is shutting down: connecting to another.'))
    connection.drain().catch(() => {})
  }

  #attach(subscription: Subscription, current: Current): void {
    // One that is leaving takes no more subscriptions, and throws: the next one gets them all.
    if (current.connection.isClosed() || current.connection.isDraining()) return
    const { filter, queue, deliver } = subscription
    subscription.remote = current.link.subscribe(filter, queue, (message) => {
      // A connection that was given up may still hold messages; the new one has its own subscription.
      if (subscription.ended || this.#current !== current) return
      try {
        deliver(message)
      } catch {
        // It would end the client's reading loop, and with it everybody's messages.
      }
    })
  }

  #keep(message: UpstreamMessage, size: number): void {
    const asking = message.reply === undefined ? [] : this.#subscriptions.match(message.reply)
    if (message.reply === undefined || asking.length === 0) return this.#buffer.add(message, size)
    // Whoever asks waits for an answer; one that comes after the outage would come too late.
    const answer = noRespondersMessage(message.reply)
    for (const subscription of recipients(asking, this.#random)) {
      queueMicrotask(() => {
        if (!subscription.ended) subscription.deliver(answer)
      })
    }
  }

  #sendBuffered(connection: NatsConnection): void {
    for (const message of this.#buffer.drain()) {
      try {
        checkMessage(message, this.#info.maxPayload)
        sendMessage(connection, message)
      } catch (error) {
        // Another server, with a smaller limit than the one it was accepted for.
        this.#report(toSpanwireError(error))
      }
    }
  }

  /** Repetitions of the same are left out: a server that stays away would fill the log. */
  #report(error: SpanwireError): void {
    const text = `${error.code} ${error.message}`
    if (text === this.#lastReport) return
    this.#lastReport = text
    const report = this.#options.onError ?? ((e: SpanwireError) => console.warn(`spanwire upstream: ${e.message}`))
    try {
      report(error)
    } catch {
      // Reporting must not end the connection.
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
  return new SpanwireError('connection-closed', 'This upstream was closed: make a new one.')
}
