import type { ConnectOptions } from '../../sdk/wire/client-op.ts'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import type { ServerInfo } from '../../sdk/wire/server-op.ts'
import type { Authenticate } from '../auth/authenticate.ts'
import type { Identity } from '../auth/identity.ts'
import { type Limits, readLimits } from '../auth/limits.ts'
import { RateMeter } from '../auth/rate-meter.ts'
import type { ClientConnection, ClientSocket } from '../delivery/client-socket.ts'
import { type ConnectionFigures, clientIdOf } from '../delivery/connection-stats.ts'
import { Interest } from '../delivery/interest.ts'
import type { SessionSnapshot } from '../delivery/session-snapshot.ts'
import type { Subscription } from '../delivery/subscription.ts'
import { type Schedule, Turn } from '../delivery/turn.ts'
import { Presence, type Present } from '../presence/presence.ts'
import { Streams } from '../replay/feeds.ts'
import { closings } from '../session/close-reason.ts'
import { Session } from '../session/session.ts'
import type { SessionHub } from '../session/session-hub.ts'
import { Barrier } from '../upstream/flush-barrier.ts'
import { Requests } from '../upstream/requests.ts'
import type { EndSubscription, Upstream, UpstreamMessage } from '../upstream/upstream.ts'
import { AdminChannel, type AdminOrder } from './admin.ts'
import { atMost } from './at-most.ts'
import { Traffic, type TrafficFigures } from './traffic.ts'

/** What a hub is made of. */
export interface HubOptions {
  readonly upstream: Upstream
  readonly authenticate: Authenticate
  /** Whether INFO carries a nonce to be signed, as NATS's own credentials need. Default false. */
  readonly nonces?: boolean
  readonly limits?: Partial<Limits>
  /** How a host ends a turn. Default: `setTimeout(run, 0)`. */
  readonly schedule?: Schedule
  /** Default: `Date.now`. */
  readonly clock?: () => number
  /**
   * How long messages may wait so that more of them go out together, in ms: 0 to 50, for all subject filters or for each.
   * It trades latency for cost: at 500 messages a second, 10 ms cost a third of the CPU. Answers to requests never wait.
   * Default 0: messages are sent at the end of the turn of the event loop in which they came.
   */
  readonly flushWindow?: number | ((filter: string) => number)
  /** Default: `Math.random`. */
  readonly random?: () => number
}

/** Figures of a hub, as of now. Counts are since it was made. */
export interface HubStats extends TrafficFigures {
  readonly connections: number
  /** Connections in all. */
  readonly opened: number
  /** How many were closed by the hub, by what they were told. */
  readonly closed: ReadonlyMap<string, number>
  /** Subscriptions of clients. */
  readonly subscriptions: number
  /** Subscriptions at the broker: one per distinct filter and queue group. */
  readonly upstreamSubscriptions: number
  /** Subject filters of streams that are followed, and channels of presence. */
  readonly replays: number
  readonly channels: number
}

/** A subscription at the broker, and how many of clients share it. */
export interface SharedInterest {
  readonly filter: string
  readonly queue: string | undefined
  readonly subscriptions: number
}

/** A connection as it can be seen from outside. */
export interface HubConnection {
  readonly figures: ConnectionFigures
  /** What it subscribes to, in its own words. */
  readonly filters: readonly string[]
}

/** The version of the protocol that INFO claims: stock clients decide by it what they may use. */
const PROTOCOL_VERSION = '2.10.0'
const TICK = 1_000
const MAX_METERS = 10_000
/** In ms. Longer than that, and people see it. */
const MAX_WINDOW = 50

/** The middle of the bridge: many clients in front, one connection to the broker behind. */
export class Hub implements SessionHub {
  readonly id: string = crypto.randomUUID()
  /** When it was made, in ms since 1970. */
  readonly startedAt: number
  readonly limits: Limits
  readonly turn: Turn
  readonly requests: Requests
  readonly admin: AdminChannel
  readonly streams: Streams
  readonly presence: Presence
  readonly #upstream: Upstream
  readonly #authenticate: Authenticate
  readonly clock: () => number
  readonly nonces: boolean
  readonly #random: () => number
  readonly #flushWindow: number | ((filter: string) => number)
  readonly #barrier: Barrier
  readonly #sessions = new Map<string, Session>()
  readonly #meters = new Map<string, RateMeter>()
  readonly #traffic = new Traffic()
  readonly #connectionsOf = new Map<string, number>()
  readonly #interests = new Map<
    string,
    { readonly interest: Interest; readonly unsubscribe: EndSubscription; readonly mark: number }
  >()
  readonly #forgetUpstream: () => void
  readonly #opened = Promise.withResolvers<void>()
  #upstreamOpen: boolean
  /** Resolves when the last client has left a hub that is about to go. */
  #emptied: PromiseWithResolvers<void> | undefined
  #connections = 0
  #requestsUnderway = 0
  #timer: ReturnType<typeof setInterval> | undefined

  constructor(options: HubOptions) {
    this.#upstream = options.upstream
    this.#authenticate = options.authenticate
    const limits = readLimits(options.limits)
    // One message of the largest size must not make its receiver a slow consumer.
    this.limits = { ...limits, maxPending: Math.max(limits.maxPending, 2 * limits.maxPayload) }
    this.turn = new Turn(options.schedule ?? ((run) => setTimeout(run, 0)))
    this.requests = new Requests(options.upstream)
    this.streams = new Streams(options.upstream, this.requests, this.limits)
    this.admin = new AdminChannel(options.upstream, (order) => this.#obey(order))
    this.clock = options.clock ?? Date.now
    this.startedAt = this.clock()
    this.presence = new Presence(options.upstream, this.limits, this.id, this.clock)
    this.nonces = options.nonces ?? false
    this.#random = options.random ?? Math.random
    this.#flushWindow = options.flushWindow ?? 0
    if (typeof this.#flushWindow === 'number') checkWindow(this.#flushWindow)
    this.#barrier = new Barrier(() => this.#upstream.flush())
    this.#upstreamOpen = options.upstream.state === 'open'
    if (this.#upstreamOpen) this.#opened.resolve()
    this.#forgetUpstream = options.upstream.onState((state) => this.#upstreamChanged(state === 'open'))
  }

  /**
   * Takes in a new client.
   * @param token what its upgrade request presented, for a CONNECT without credentials
   */
  open(socket: ClientSocket, token?: string): ClientConnection {
    // Joined, which makes one string of it; replaced, it would be kept as a chain of its parts.
    const inboxKey = crypto.randomUUID().split('-').join('')
    const session = this.#admit(socket, `${this.id}.${++this.#connections}`, inboxKey, token)
    session.open()
    if (this.#sessions.size > this.limits.maxConnections) session.end(closings.maxConnections)
    return session
  }

  /** Takes a client in again whose socket outlived a former hub. */
  restore(socket: ClientSocket, snapshot: SessionSnapshot): ClientConnection {
    const session = this.#admit(socket, snapshot.id, snapshot.inboxKey)
    session.restore(snapshot)
    return session
  }

  get stats(): HubStats {
    let subscriptions = 0
    for (const { interest } of this.#interests.values()) subscriptions += interest.size
    return {
      ...this.#traffic.sum([...this.#sessions.values()].map(({ figures }) => figures)),
      connections: this.#sessions.size,
      opened: this.#traffic.opened,
      closed: this.#traffic.closed,
      subscriptions,
      upstreamSubscriptions: this.#interests.size,
      replays: this.streams.size,
      channels: this.presence.size,
    }
  }

  /** All connections, oldest first. */
  get connections(): Iterable<HubConnection> {
    return this.#sessions.values()
  }

  /** All subscriptions at the broker. */
  *interests(): Iterable<SharedInterest> {
    for (const [key, { interest }] of this.#interests) {
      const [filter = '', queue] = key.split(' ')
      yield { filter, queue, subscriptions: interest.size }
    }
  }

  /** Whether the broker is within reach and has all subscriptions. */
  get upstreamOpen(): boolean {
    return this.#upstreamOpen
  }

  /** Resolves when the broker is within reach for the first time. Never rejects. */
  get opened(): Promise<void> {
    return this.#opened.promise
  }

  /** Whether it is about to go, and takes in nobody. */
  get draining(): boolean {
    return this.#emptied !== undefined
  }

  get upstreamName(): string {
    return this.#upstream.info.name
  }

  get maxPayload(): number {
    return Math.min(this.limits.maxPayload, this.maxBrokerPayload)
  }

  get maxBrokerPayload(): number {
    return this.#upstream.info.maxPayload
  }

  info(sessionId: string, nonce: string | undefined): ServerInfo {
    return {
      server_id: this.id,
      server_name: 'spanwire',
      version: PROTOCOL_VERSION,
      proto: 1,
      headers: true,
      max_payload: this.maxPayload,
      client_id: clientIdOf(sessionId),
      auth_required: true,
      ...(nonce !== undefined && { nonce }),
      ...(this.draining && { ldm: true }),
      edge: { upstream: this.#upstreamOpen ? 'open' : 'reconnecting' },
    }
  }

  authenticate({ auth_token, pass, jwt, sig }: ConnectOptions, nonce?: string, token?: string): Promise<Identity> {
    return this.#authenticate({ token: auth_token || pass || (jwt ? undefined : token), jwt, sig, nonce })
  }

  absent(id: string, from: (channel: string) => boolean): void {
    this.presence.gone(id, from)
  }

  present(channel: string, member: Present, payload: Uint8Array): string | undefined {
    // A channel that is joined is a subscription at the broker, as one that is watched.
    if (!this.#hasRoom && !this.presence.has(channel)) return 'Presence Violation'
    return this.presence.take(channel, member, payload)
  }

  subscribe(subscription: Subscription): number {
    if (subscription.presence) {
      this.presence.watch(subscription)
      return 0
    }
    const { brokerFilter, queue } = subscription
    subscription.window = this.#windowFor(brokerFilter)
    if (subscription.replay) {
      this.streams.follow(subscription)
      return 0
    }
    const key = interestKey(subscription)
    let entry = this.#interests.get(key)
    if (!entry) {
      const interest = new Interest(queue, this.turn, this.#random)
      const unsubscribe = this.#upstream.subscribe(brokerFilter, queue, (message) => interest.deliver(message))
      entry = { interest, unsubscribe, mark: this.#barrier.mark() }
      this.#interests.set(key, entry)
    }
    entry.interest.add(subscription)
    return entry.mark
  }

  unsubscribe(subscription: Subscription): void {
    if (subscription.presence) return this.presence.unwatch(subscription)
    if (subscription.replay) return this.streams.leave(subscription)
    const key = interestKey(subscription)
    const entry = this.#interests.get(key)
    if (!entry?.interest.remove(subscription) || entry.interest.size > 0) return
    this.#interests.delete(key)
    entry.unsubscribe()
  }

  leave(subscription: Subscription): number {
    if (subscription.replay || subscription.presence) {
      this.unsubscribe(subscription)
      return 0
    }
    const key = interestKey(subscription)
    const entry = this.#interests.get(key)
    if (!entry || !this.#upstreamOpen) {
      this.unsubscribe(subscription)
    } else if (entry.interest.size === 1) {
      this.#interests.delete(key)
      entry.unsubscribe('drain')
    } else {
      // A message to ourselves parts what was published before from what comes after; a flush makes sure that it ends.
      const forget = this.requests.pass(() => this.unsubscribe(subscription))
      const leave = () => {
        forget()
        this.unsubscribe(subscription)
      }
      this.#upstream.flush().then(leave, leave)
    }
    return this.#barrier.mark()
  }

  publish(message: UpstreamMessage): number {
    this.#upstream.publish(message)
    this.#traffic.published(message.payload.length + (message.headers?.length ?? 0))
    return this.#barrier.mark()
  }

  confirm(mark: number): Promise<void> | undefined {
    return this.#upstreamOpen ? this.#barrier.confirm(mark) : undefined
  }

  hasRoomFor(subscription: Subscription): boolean {
    if (this.#hasRoom) return true
    if (subscription.presence) return this.presence.has(subscription.brokerFilter)
    return subscription.replay
      ? this.streams.has(subscription.brokerFilter)
      : this.#interests.has(interestKey(subscription))
  }

  get #hasRoom(): boolean {
    return this.#interests.size + this.streams.size + this.presence.size < this.limits.maxFilters
  }

  identified(user: string): boolean {
    if (user === '') return true
    const count = (this.#connectionsOf.get(user) ?? 0) + 1
    this.#connectionsOf.set(user, count)
    return count <= this.limits.maxConnectionsPerUser
  }

  /** Counts one publish towards its user's rate: over all connections, and by HTTP. Returns whether it is within. */
  meter(user: string, bytes: number): boolean {
    const now = this.clock()
    let meter = this.#meters.get(user)
    if (!meter) {
      // Forgetting all of them now and then bounds the memory; it costs at most one more burst each.
      if (this.#meters.size >= MAX_METERS) this.#meters.clear()
      meter = new RateMeter(this.limits.publishRate, now)
      this.#meters.set(user, meter)
    }
    return meter.take(bytes, now)
  }

  suspend(user: string, until: number): void {
    this.#meters.get(user)?.suspend(until)
  }

  ended(sessionId: string, reason?: string): void {
    const session = this.#sessions.get(sessionId)
    if (!session) return
    this.#sessions.delete(sessionId)
    this.#traffic.ended(session.figures, reason)
    this.presence.gone(sessionId)
    const count = (this.#connectionsOf.get(session.user) ?? 0) - 1
    if (count > 0) this.#connectionsOf.set(session.user, count)
    else this.#connectionsOf.delete(session.user)
    if (this.#sessions.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#checkEmptied()
  }

  /** A request by HTTP: a hub that is about to go waits for it. */
  async during(request: Promise<void>): Promise<void> {
    this.#requestsUnderway++
    try {
      await request
    } finally {
      this.#requestsUnderway--
      this.#checkEmptied()
    }
  }

  #checkEmptied(): void {
    if (this.#isEmpty) this.#emptied?.resolve()
  }

  get #isEmpty(): boolean {
    return this.#sessions.size === 0 && this.#requestsUnderway === 0
  }

  /**
   * Asks all clients to go elsewhere (nats-server's lame duck mode): one that does has everything confirmed first.
   * Resolves when they have left, or after `patience` ms.
   */
  async drain(patience: number): Promise<void> {
    this.#emptied ??= Promise.withResolvers()
    this.#inform()
    if (!this.#isEmpty) await atMost(patience, this.#emptied.promise)
  }

  /** Ends every connection and gives up the upstream's subscriptions. The upstream itself is the owner's to close. */
  close(): void {
    this.#forgetUpstream()
    for (const session of [...this.#sessions.values()]) session.end(closings.shutdown)
    this.streams.close()
    this.presence.close()
    this.requests.close()
    this.admin.close()
    this.turn.flush()
  }

  #admit(socket: ClientSocket, id: string, inboxKey: string, token?: string): Session {
    const session = new Session(this, socket, id, inboxKey, token)
    this.#sessions.set(id, session)
    this.#traffic.admitted()
    // One timer for all clients, and only while there are any.
    this.#timer ??= setInterval(() => this.tick(), TICK)
    return session
  }

  /** Looks at the clock for all sessions; the hub calls it once a second. */
  tick(): void {
    const now = this.clock()
    for (const session of [...this.#sessions.values()]) session.tick(now)
  }

  #windowFor(filter: string): number {
    if (filter.startsWith('_INBOX.')) return 0
    return typeof this.#flushWindow === 'number' ? this.#flushWindow : checkWindow(this.#flushWindow(filter))
  }

  #obey(order: AdminOrder): void {
    for (const session of [...this.#sessions.values()]) {
      if (session.id !== order.connection && (order.user === undefined || session.user !== order.user)) continue
      if (order.do === 'disconnect') session.end(closings.revoked)
      else session.revoke(order.filter)
    }
  }

  /** Clients hear `open` only once the broker has confirmed all that they subscribed to. */
  async #upstreamChanged(open: boolean): Promise<void> {
    if (open) {
      const confirmed = await this.#upstream.flush().then(
        () => true,
        () => false,
      )
      if (!confirmed || this.#upstream.state !== 'open') return
    }
    this.#upstreamOpen = open
    if (open) {
      this.#opened.resolve()
      this.streams.reconnected()
      this.presence.reconnected()
    }
    this.#inform()
  }

  #inform(): void {
    for (const session of this.#sessions.values()) if (session.ready) session.inform()
  }
}

function checkWindow(window: number): number {
  if (window >= 0 && window <= MAX_WINDOW) return window
  throw new SpanwireError('invalid-argument', `flushWindow is ${window}: it must be 0 to ${MAX_WINDOW} ms.`)
}

function interestKey({ brokerFilter, queue }: Subscription): string {
  return queue === undefined ? brokerFilter : `${brokerFilter} ${queue}`
}
