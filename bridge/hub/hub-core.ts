import { JetStreamApi } from '../../sdk/jetstream/api.ts'
import { isSpanwireError, SpanwireError } from '../../sdk/wire/errors.ts'
import type { ServerInfo } from '../../sdk/wire/server-op.ts'
import type { Authenticate } from '../auth/authenticate.ts'
import { type Limits, readLimits } from '../auth/limits.ts'
import { UserLimits } from '../auth/user-limits.ts'
import { Budget } from '../budget/budget.ts'
import { FairQueue } from '../budget/fair-queue.ts'
import { ContractGate } from '../contract/contract-gate.ts'
import type { ClientConnection, ClientSocket } from '../delivery/client-socket.ts'
import { ConflatedTopic } from '../delivery/conflation.ts'
import { type ConnectionStats, clientIdOf } from '../delivery/connection-stats.ts'
import { InboxKeys } from '../delivery/inbox-keys.ts'
import { Interests } from '../delivery/interests.ts'
import { NoResponders } from '../delivery/no-responders.ts'
import type { SessionSnapshot } from '../delivery/session-snapshot.ts'
import { Topics } from '../delivery/topic.ts'
import { Turn } from '../delivery/turn.ts'
import { Log } from '../log/log.ts'
import type { LimitName } from '../log/reached-limits.ts'
import { Channels, type MemberPlaces } from '../presence/channels.ts'
import { Feeds } from '../replay/feeds.ts'
import { StreamFinder } from '../replay/stream-finder.ts'
import { closeReasonOf, closeReasons } from '../session/close-reason.ts'
import type { ConnectionKeys } from '../session/credentials.ts'
import { Session } from '../session/session.ts'
import type { SessionHub } from '../session/session-hub.ts'
import { Branches } from '../upstream/branches.ts'
import { createJetStreamLink, Requests } from '../upstream/requests.ts'
import { SharedUpstream } from '../upstream/shared-upstream.ts'
import type { UpstreamMessage } from '../upstream/upstream.ts'
import { AdminChannel, type AdminOrder } from './admin-channel.ts'
import type { Hub, HubConnection, HubOptions, HubStats } from './hub.ts'
import { Registry } from './registry.ts'
import { Traces } from './traces.ts'
import { Traffic } from './traffic.ts'

/** The version in INFO while that of the broker is unknown: the oldest one that the bridge supports. */
const OLDEST_VERSION = '2.9.0'
/** Sockets whose session has ended, in addition to `maxConnections`: a part of it, and at least a number. */
const CLOSING = 0.1
const MIN_CLOSING = 16
/** In ms. Longer delays are visible to people. */
const MAX_WINDOW = 50
/** Composes a hub from its parts. The routes of the bridge use all of them, applications only {@link Hub}. */
export class HubCore implements Hub, SessionHub {
  readonly id: string = crypto.randomUUID()
  /** In ms since 1970. */
  readonly startedAt: number
  readonly limits: Limits
  readonly clock: () => number
  readonly nonces: boolean
  readonly authenticate: Authenticate
  readonly contract: ContractGate | undefined
  readonly turn: Turn
  readonly upstream: SharedUpstream
  readonly requests: Requests
  readonly jetstream: JetStreamApi
  readonly streams: StreamFinder
  readonly users: UserLimits
  readonly budget: Budget
  readonly admin: AdminChannel
  readonly log: Log
  readonly registry: Registry
  readonly interests: Interests
  readonly feeds: Feeds
  readonly channels: Channels
  /** All topics. A new kind of subscription is added here. */
  readonly topics: Topics
  readonly noResponders = new NoResponders()
  readonly branches: Branches
  readonly inboxKeys: InboxKeys
  readonly #traffic = new Traffic()
  readonly #traces = new Traces()
  /** The last connection whose credentials were refused. Its end is not logged again. */
  #refusedId: string | undefined
  #connections = 0

  constructor(options: HubOptions) {
    const { upstream, random = Math.random, flushWindow = 0 } = options
    const limits = readLimits(options.limits)
    // One message of the largest size must not make its receiver a slow consumer.
    const maxPending = Math.max(limits.maxPending, 2 * limits.maxPayload)
    // And a slow consumer must not be closed for its memory.
    const memory = { ...limits.memory, connection: Math.max(limits.memory.connection, 2 * maxPending) }
    this.limits = { ...limits, maxPending, memory }
    this.clock = options.clock ?? Date.now
    this.startedAt = this.clock()
    this.log = new Log(options.log, this.clock, options.explain)
    this.contract = createGate(options, this.log)
    if (options.trace) this.#traces.add({ user: options.trace }, Number.POSITIVE_INFINITY)
    this.nonces = options.nonces ?? false
    this.authenticate = options.authenticate
    this.budget = new Budget(this.limits.memory)
    this.turn = new Turn(options.schedule ?? ((run) => setTimeout(run, 0)), () => this.budget.enforce())
    this.users = new UserLimits(this.limits, this.clock)
    this.registry = new Registry(this.clock)
    this.requests = new Requests(upstream)
    this.jetstream = new JetStreamApi(createJetStreamLink(upstream, this.requests))
    const queue = new FairQueue(this.limits.apiRequests)
    const apiFor = (user: string) => new JetStreamApi(createJetStreamLink(upstream, this.requests, { queue, user }))
    this.streams = new StreamFinder(apiFor, upstream)
    this.admin = new AdminChannel(upstream, (order) => this.#execute(order))
    this.branches = new Branches(upstream)
    this.inboxKeys = new InboxKeys(this.clock)
    this.upstream = new SharedUpstream(upstream, (isOpen) => this.#upstreamChanged(isOpen))
    const windowFor = readWindow(flushWindow)
    const services = { upstream: this.upstream, requests: this.requests, turn: this.turn, random, windowFor }
    this.interests = new Interests(services, this.noResponders)
    this.feeds = new Feeds(this.jetstream, this.limits, windowFor, {
      apiFor,
      budget: this.budget,
      full: ({ id, identity: { user } }) => this.log.limit('replays', user, () => ({ connection: id })),
    })
    const members: MemberPlaces = {
      join: (user, channel, isOpen) => this.topics.join(user, channel, isOpen),
      leave: (user, channel) => this.topics.leave(user, channel),
    }
    this.channels = new Channels({ upstream, limits: this.limits, hub: this.id, clock: this.clock, members })
    const conflated = new ConflatedTopic(this.interests)
    this.topics = new Topics([this.channels, this.feeds, conflated, this.interests], this.limits)
  }

  open(socket: ClientSocket, token?: string): ClientConnection {
    // Not replaceAll: its result would keep a chain of substrings alive.
    const inboxKey = crypto.randomUUID().split('-').join('')
    const session = this.#admit(socket, { id: `${this.id}.${++this.#connections}`, inboxKey, token })
    session.open()
    if (this.registry.isClosed) session.end(closeReasons.shutdown)
    else if (this.registry.size > this.limits.maxConnections) session.end(closeReasons.maxConnections)
    if (this.registry.sockets > this.#maxSockets) socket.terminate?.()
    return session
  }

  restore(socket: ClientSocket, snapshot: SessionSnapshot): ClientConnection {
    const session = this.#admit(socket, snapshot)
    session.restore(snapshot)
    return session
  }

  get stats(): HubStats {
    return {
      ...this.#traffic.sum(this.registry.sessions.map(({ stats }) => stats)),
      connections: this.registry.size,
      opened: this.#traffic.opened,
      closed: this.#traffic.closed,
      subscriptions: this.interests.subscriptions,
      upstreamSubscriptions: this.interests.size,
      replays: this.feeds.size,
      channels: this.channels.size,
    }
  }

  get connections(): Iterable<HubConnection> {
    return this.registry.sessions
  }

  get opened(): Promise<void> {
    return this.upstream.opened
  }

  get upstreamOpen(): boolean {
    return this.upstream.isOpen
  }

  get upstreamName(): string {
    return this.upstream.info.name
  }

  /** Largest header block and payload together, in bytes: the smaller one of the hub's limit and the broker's. */
  get maxPayload(): number {
    return Math.min(this.limits.maxPayload, this.upstream.maxPayload)
  }

  /** Sockets of open and of ended sessions. A client that does not answer the close frame keeps its socket until the host's timeout. */
  get #maxSockets(): number {
    return this.limits.maxConnections + Math.max(MIN_CLOSING, this.limits.maxConnections * CLOSING)
  }

  info(connectionId: string, nonce: string | undefined): ServerInfo {
    // Stock clients decide by version and level which features they use. They use those of the broker.
    const { version = OLDEST_VERSION, apiLevel, jetstream } = this.upstream.info
    return {
      server_id: this.id,
      server_name: 'spanwire',
      version,
      proto: 1,
      headers: true,
      max_payload: this.maxPayload,
      client_id: clientIdOf(connectionId),
      ...(jetstream && { jetstream }),
      ...(apiLevel !== undefined && { api_lvl: apiLevel }),
      auth_required: true,
      ...(nonce !== undefined && { nonce }),
      ...(this.registry.isDraining && { ldm: true }),
      edge: { upstream: this.upstreamOpen ? 'open' : 'reconnecting' },
    }
  }

  /**
   * Publishes a message of an HTTP request of `user`. Returns its operation, for {@link SharedUpstream.confirm}.
   * @throws SpanwireError as {@link Upstream.publish}
   */
  publish(message: UpstreamMessage, user?: string): number {
    const operation = this.upstream.publish(message, user)
    this.#traffic.published(message.payload.length + (message.headers?.length ?? 0))
    return operation
  }

  refused(client: ConnectionStats, error: unknown): void {
    if (!isSpanwireError(error)) return
    this.#refusedId = client.id
    this.log.refusal('credentials-refused', error, describeClient(client))
  }

  limited(limit: LimitName, client: { readonly user: string; readonly stats: ConnectionStats }): void {
    this.log.limit(limit, client.user, () => describeClient(client.stats))
  }

  tracedUntil(connectionId: string, user: string): number {
    return this.#traces.untilOf(connectionId, user)
  }

  traced(client: ConnectionStats, text: string): void {
    this.log.event('info', 'client-traced', text, describeClient(client))
  }

  ended(connectionId: string, reason?: string): void {
    const session = this.registry.remove(connectionId)
    if (!session) return
    const { stats } = session
    this.#traffic.disconnected(stats, reason)
    this.channels.leaveAll(connectionId)
    this.users.disconnect(session.user)
    const isRefusal = reason === closeReasons.authorization.text && this.#refusedId === connectionId
    if (reason === undefined || isRefusal) return
    const { limit = undefined } = closeReasonOf(reason) ?? {}
    if (limit) this.limited(limit, session)
    const level = reason === closeReasons.shutdown.text ? 'debug' : 'info'
    this.log.event(level, 'client-closed', `A client was closed: ${reason}.`, { ...describeClient(stats), reason })
  }

  socketClosed(): void {
    this.registry.socketClosed()
  }

  drain(patience: number): Promise<void> {
    this.log.event('info', 'draining', `Draining ${this.registry.size} clients.`)
    return this.registry.drain(patience, () => this.#inform())
  }

  /** Closes all connections, and the hub's subscriptions at the upstream. */
  close(): void {
    this.registry.close()
    this.upstream.close()
    for (const session of this.registry.sessions) session.end(closeReasons.shutdown)
    this.feeds.close()
    this.channels.close()
    this.requests.close()
    this.admin.close()
    this.turn.flush()
  }

  #admit(socket: ClientSocket, keys: ConnectionKeys): Session {
    const session = new Session(this, socket, keys)
    this.registry.add(session)
    this.#traffic.connected()
    return session
  }

  #execute(order: AdminOrder): void {
    const { do: action, user, connection } = order
    this.log.event('info', 'admin-order', `An administrator ordered: ${action}.`, { user, connection })
    if (order.do === 'trace') this.#traces.add(order, this.clock() + order.seconds * 1_000)
    for (const session of this.registry.sessions) {
      const isTarget = session.id === order.connection || (order.user !== undefined && session.user === order.user)
      if (!isTarget) continue
      if (order.do === 'trace') session.trace()
      else if (order.do === 'disconnect') session.end(closeReasons.revoked)
      else session.revoke(order.filter)
    }
  }

  #upstreamChanged(isOpen: boolean): void {
    if (isOpen) this.log.event('info', 'upstream-open', `Connected to ${this.upstreamName}.`)
    else this.log.event('warn', 'upstream-lost', 'The connection to NATS is lost. The bridge keeps trying.')
    if (isOpen) {
      this.feeds.reconnected()
      this.channels.reconnected()
    }
    this.#inform()
  }

  #inform(): void {
    for (const session of this.registry.sessions) if (session.isReady) session.inform()
  }
}

function createGate(options: HubOptions, log: Log): ContractGate | undefined {
  if (options.events) return new ContractGate(options, log)
  if (options.authorize || options.unknownSubjects)
    throw new SpanwireError('invalid-argument', 'authorize and unknownSubjects need the contract: set events.')
  return undefined
}

function describeClient({ id, user, client, address }: ConnectionStats) {
  return { connection: id, user, client: client.name, address }
}

/** How long messages of a broker's filter may wait, in ms. @throws SpanwireError `invalid-argument` */
function readWindow(flushWindow: NonNullable<HubOptions['flushWindow']>): (brokerFilter: string) => number {
  if (typeof flushWindow === 'number') checkWindow(flushWindow)
  const windowFor = typeof flushWindow === 'number' ? () => flushWindow : flushWindow
  return (filter) => (filter.startsWith('_INBOX.') ? 0 : checkWindow(windowFor(filter)))
}

function checkWindow(window: number): number {
  if (window >= 0 && window <= MAX_WINDOW) return window
  throw new SpanwireError('invalid-argument', `flushWindow is ${window}. It must be 0 to ${MAX_WINDOW} ms.`)
}
