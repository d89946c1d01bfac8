import { SpanwireError } from '../../sdk/errors.ts'
import { type ClientOp, type ConnectOptions, parseClientOp } from '../../sdk/protocol/client-op.ts'
import { Framer } from '../../sdk/protocol/framer.ts'
import { encodeError, encodeInfo, type ServerInfo } from '../../sdk/protocol/server-op.ts'
import { isSubject, isSubjectFilter } from '../../sdk/subject.ts'
import type { Identity } from '../auth/identity.ts'
import { mayPublish, maySubscribe, type Permissions } from '../auth/permissions.ts'
import type { ClientConnection, ClientSocket } from '../hub/client-socket.ts'
import { withOrigin } from '../hub/echo.ts'
import { Outlet } from '../hub/outlet.ts'
import type { Turn } from '../hub/turn.ts'
import type { Limits } from '../limits.ts'
import type { UpstreamMessage } from '../upstream/upstream.ts'
import { type Closing, closings } from './closing.ts'
import { RateMeter } from './rate.ts'
import { ReplyGrants } from './reply-grants.ts'
import type { ClientFlags, SessionSnapshot } from './snapshot.ts'
import { SubjectScope } from './subject-scope.ts'
import { Subscription, type SubscriptionOwner } from './subscription.ts'

/** What a session needs of its hub. */
export interface SessionHub {
  readonly limits: Limits
  readonly turn: Turn
  /** Largest header block and payload together that the broker takes too, in bytes. */
  readonly maxPayload: number
  /** INFO as of now, for this client. */
  info(sessionId: string, nonce: string | undefined): ServerInfo
  readonly nonces: boolean
  readonly clock: () => number
  authenticate(options: ConnectOptions, nonce: string | undefined): Promise<Identity>
  subscribe(subscription: Subscription): number
  unsubscribe(subscription: Subscription): void
  /** @throws SpanwireError `upstream-unavailable` */
  publish(message: UpstreamMessage): number
  /** Resolves once the broker has processed everything up to `mark`; undefined if it already has, or is away. */
  confirm(mark: number): Promise<void> | undefined
  /** Whether one more subject filter is within the limit. */
  hasRoomFor(subscription: Subscription): boolean
  /** The session has a user now. Returns whether that user may have one more connection. */
  identified(session: Session): boolean
  ended(session: Session): void
}

type Phase = 'connecting' | 'authenticating' | 'ready' | 'closed'
type PublishOp = Extract<ClientOp, { verb: 'PUB' }>

const PONG = new TextEncoder().encode('PONG\r\n')
const OK = new TextEncoder().encode('+OK\r\n')
const NOTHING: Permissions = { publish: { allow: [], deny: [] }, subscribe: { allow: [], deny: [] } }
/** Thrown to leave the framer once the connection is closed: what follows in the chunk is not read. */
const ENDED = Symbol('ended')
/** Refusals in a row after which a client that publishes too fast is closed. */
const MAX_REFUSALS = 100
/** What a client may send while its token is checked, beside one largest message. */
const WAITING_BYTES = 64 * 1024

/** One client: its protocol state, its permissions and its subscriptions. */
export class Session implements ClientConnection, SubscriptionOwner {
  readonly id: string
  readonly #hub: SessionHub
  readonly #socket: ClientSocket
  readonly #outlet: Outlet
  readonly #framer: Framer
  readonly #subscriptions = new Map<string, Subscription>()
  #phase: Phase = 'connecting'
  #nonce: string | undefined
  #scope = new SubjectScope(undefined)
  #replies: ReplyGrants
  #flags: ClientFlags = { verbose: false, echo: true, headers: false, noResponders: false }
  #identity: Identity | undefined
  /** The PUB whose payload comes next. */
  #publishing: PublishOp | undefined
  /** Operations that came in while a token was checked. */
  #waiting: Array<{ readonly op: ClientOp; readonly payload?: Uint8Array }> = []
  #waitingBytes = 0
  /** How much this client has asked of the broker; see SessionHub.confirm. */
  #mark = 0
  #unansweredPings = 0
  #lastPong: Promise<void> | undefined
  #upstreamTold: string | undefined
  #since: number
  #meter: RateMeter
  #refusals = 0
  #heard = false
  #active = false
  #activeAt: number
  #heardAt: number
  #midOperation = false

  constructor(hub: SessionHub, socket: ClientSocket, id: string) {
    this.id = id
    this.#hub = hub
    this.#socket = socket
    this.#since = hub.clock()
    this.#heardAt = this.#since
    this.#activeAt = this.#since
    this.#meter = new RateMeter(hub.limits.publishRate, this.#since)
    this.#replies = new ReplyGrants(this.#scope, undefined, hub.clock)
    this.#outlet = new Outlet(socket, hub.turn, hub.limits.maxPending, () => this.end(closings.slowConsumer))
    this.#framer = new Framer(
      { line: (line) => this.#line(line), payload: (bytes) => this.#payload(bytes) },
      hub.limits.maxControlLine,
    )
  }

  /** Greets a new client. */
  open(): void {
    if (this.#hub.nonces) this.#nonce = crypto.randomUUID().replaceAll('-', '')
    this.inform()
  }

  /** Goes on where a lost hub left off. A session that stood in the middle of an operation is ended instead. */
  restore(snapshot: SessionSnapshot): void {
    if (snapshot.midOperation) return this.end(closings.restart)
    if (!snapshot.identity) return
    this.#phase = 'ready'
    this.#nonce = snapshot.nonce
    this.#flags = snapshot.flags
    this.#become(snapshot.identity)
    this.#hub.identified(this)
    for (const { sid, filter, queue, max, delivered } of snapshot.subscriptions) {
      const verdict = maySubscribe(this.permissions, filter)
      const subscription = new Subscription(this, sid, filter, queue, verdict === 'withheld')
      subscription.max = max
      subscription.delivered = delivered
      this.#subscriptions.set(sid, subscription)
      this.#mark = Math.max(this.#mark, this.#hub.subscribe(subscription))
    }
    this.inform()
    for (let i = 0; i < snapshot.unansweredPings; i++) this.#answerPing()
  }

  snapshot(): SessionSnapshot {
    return {
      id: this.id,
      flags: this.#flags,
      ...(this.#nonce !== undefined && { nonce: this.#nonce }),
      ...(this.#identity && { identity: this.#identity }),
      subscriptions: [...this.#subscriptions.values()].map(({ sid, filter, queue, max, delivered }) => ({
        sid,
        filter,
        ...(queue !== undefined && { queue }),
        max,
        delivered,
      })),
      unansweredPings: this.#unansweredPings,
      midOperation: this.#midOperation,
    }
  }

  get ready(): boolean {
    return this.#phase === 'ready'
  }

  get user(): string {
    return this.#identity?.user ?? ''
  }

  get headers(): boolean {
    return this.#flags.headers
  }

  get echo(): boolean {
    return this.#flags.echo
  }

  get noResponders(): boolean {
    return this.#flags.noResponders
  }

  get permissions(): Permissions {
    return this.#identity?.permissions ?? NOTHING
  }

  get scope(): SubjectScope {
    return this.#scope
  }

  get replies(): ReplyGrants {
    return this.#replies
  }

  write(frame: Uint8Array): void {
    this.#outlet.write(frame)
  }

  receive(bytes: Uint8Array): void {
    if (this.#phase === 'closed') return
    this.#heard = true
    try {
      this.#framer.push(bytes)
    } catch (error) {
      if (error !== ENDED) this.end(toClosing(error))
    }
    const midOperation = this.#framer.midway
    if (midOperation !== this.#midOperation) {
      this.#midOperation = midOperation
      this.#changed()
    }
  }

  closed(): void {
    if (this.#phase === 'closed') return
    this.#phase = 'closed'
    this.#outlet.abandon()
    this.#leave()
  }

  /** Tells the client why, and closes. */
  end(closing: Closing): void {
    if (this.#phase === 'closed') return
    this.#phase = 'closed'
    this.#outlet.close(closing.code, closing.error, encodeError(closing.error))
    this.#leave()
  }

  /** Sends INFO: at the start, and whenever the way to the broker is lost or found. */
  inform(): void {
    const info = this.#hub.info(this.id, this.#nonce)
    if (info.edge?.upstream === this.#upstreamTold) return
    this.#upstreamTold = info.edge?.upstream
    this.write(encodeInfo(info))
  }

  /** Looks at the clock: deadlines and keep-alive. */
  tick(now: number): void {
    const { connectTimeout, idleTimeout, pingInterval } = this.#hub.limits
    if (this.#phase === 'connecting' || (this.#phase === 'authenticating' && !this.#identity)) {
      if (now - this.#since >= connectTimeout) this.end(closings.authenticationTimeout)
      return
    }
    if (this.#identity?.expiresAt !== undefined && now >= this.#identity.expiresAt)
      return this.end(closings.authenticationExpired)
    if (this.#active || this.#subscriptions.size > 0) this.#activeAt = now
    this.#active = false
    if (idleTimeout > 0 && now - this.#activeAt >= idleTimeout) return this.end(closings.idle)
    if (this.#heard) this.#heardAt = now
    this.#heard = false
    if (now - this.#heardAt < pingInterval) return
    if (this.#outlet.unansweredPings >= 2) return this.end(closings.stale)
    this.#heardAt = now
    this.#outlet.ping()
  }

  exhausted(subscription: Subscription): void {
    this.#remove(subscription)
  }

  counted(): void {
    this.#changed()
  }

  #line(line: string): number {
    if (line === '') return -1
    const op = parseClientOp(line)
    // As in nats-server: whoever has not said who they are gets no further than that.
    if (this.#phase === 'connecting' && op.verb !== 'CONNECT') this.#stop(closings.authorization)
    if (op.verb === 'PUB') {
      if (op.headerSize > 0 && this.#phase === 'ready' && !this.#flags.headers) this.#stop(closings.headersUnsupported)
      if (op.size > Math.min(this.#hub.maxPayload, this.#identity?.limits?.payload ?? op.size))
        this.#stop(closings.maxPayload)
      this.#publishing = op
      return op.size
    }
    this.#take(op, undefined, line.length)
    return -1
  }

  #payload(payload: Uint8Array): void {
    const op = this.#publishing as PublishOp
    this.#publishing = undefined
    this.#take(op, payload, payload.length)
  }

  #take(op: ClientOp, payload: Uint8Array | undefined, bytes: number): void {
    if (this.#phase !== 'authenticating') {
      this.#perform(op, payload)
    } else {
      this.#waitingBytes += bytes
      if (this.#waitingBytes > this.#hub.limits.maxPayload + WAITING_BYTES) this.#stop(closings.authorization)
      this.#waiting.push(payload ? { op, payload } : { op })
    }
    if (this.#phase === 'closed') throw ENDED
  }

  #perform(op: ClientOp, payload: Uint8Array | undefined): void {
    switch (op.verb) {
      case 'PUB':
        return this.#publish(op, payload as Uint8Array)
      case 'SUB':
        return this.#subscribe(op.filter, op.sid, op.queue)
      case 'UNSUB':
        return this.#unsubscribe(op.sid, op.max)
      case 'PING':
        return this.#answerPing()
      case 'PONG':
        return this.#outlet.ponged()
      case 'CONNECT':
        return this.#connect(op.options)
    }
  }

  /** The first CONNECT says who the client is; a later one brings a new token to the live connection. */
  #connect(options: ConnectOptions): void {
    this.#phase = 'authenticating'
    this.#hub.authenticate(options, this.#nonce).then(
      (identity) => this.#accept(identity, options),
      () => this.end(closings.authorization),
    )
  }

  #accept(identity: Identity, options: ConnectOptions): void {
    if (this.#phase !== 'authenticating') return
    const before = this.#identity
    // Subscriptions stand at the broker under the prefix, and limits count by user: a live connection stays who it is.
    if (before && (before.user !== identity.user || before.subjectPrefix !== identity.subjectPrefix)) {
      return this.end(closings.authorization)
    }
    this.#phase = 'ready'
    // A later CONNECT brings credentials only: bytes on their way were promised under the first one's flags.
    if (!before) {
      this.#flags = {
        verbose: options.verbose === true,
        echo: options.echo !== false,
        headers: options.headers === true,
        noResponders: options.headers === true && options.no_responders === true,
      }
    }
    this.#become(identity)
    if (!before && !this.#hub.identified(this)) return this.end(closings.maxUserConnections)
    for (const subscription of [...this.#subscriptions.values()]) {
      const verdict = maySubscribe(identity.permissions, subscription.filter)
      subscription.withheld = verdict === 'withheld'
      if (verdict !== 'refused') continue
      this.#remove(subscription)
      this.#refuseSubscription(subscription.filter, subscription.queue)
    }
    this.inform()
    this.#acknowledge()
    this.#changed()
    const waiting = this.#waiting
    this.#waiting = []
    this.#waitingBytes = 0
    while (waiting.length > 0 && this.#phase === 'ready') {
      const { op, payload } = waiting.shift() as (typeof waiting)[number]
      if (op.verb === 'PUB' && op.headerSize > 0 && !this.#flags.headers) return this.end(closings.headersUnsupported)
      this.#perform(op, payload)
    }
    // A further CONNECT among them: the rest waits again, before what came in meanwhile.
    if (waiting.length > 0) this.#waiting.unshift(...waiting)
  }

  #become(identity: Identity): void {
    this.#identity = identity
    this.#scope = new SubjectScope(identity.subjectPrefix)
    this.#replies = new ReplyGrants(this.#scope, identity.permissions.reply, this.#hub.clock)
  }

  #publish({ subject, reply, headerSize }: PublishOp, bytes: Uint8Array): void {
    const { maxHeaders, maxSubjectLength } = this.#hub.limits
    if (!isSubject(subject) || (reply !== undefined && !isSubject(reply))) return this.#error('Invalid Publish Subject')
    if (Math.max(subject.length, reply?.length ?? 0) > maxSubjectLength) return this.#error('Invalid Publish Subject')
    if (headerSize > maxHeaders) return this.#error(`Maximum Headers Violation for Publish to "${subject}"`)
    if (!this.#meter.take(bytes.length, this.#hub.clock())) {
      if (++this.#refusals > MAX_REFUSALS) return this.end(closings.publishRate)
      return this.#error(`Rate Violation for Publish to "${subject}"`)
    }
    this.#refusals = 0
    this.#active = true
    const grant = this.#replies.use(subject)
    if (!grant?.permitted && !mayPublish(this.permissions, subject)) {
      return this.#error(`Permissions Violation for Publish to "${subject}"`)
    }
    const block = headerSize > 0 ? bytes.subarray(0, headerSize) : undefined
    try {
      const headers = this.#flags.echo ? block : withOrigin(block, this.id)
      this.#mark = this.#hub.publish({
        subject: grant?.reply ?? this.#scope.toBroker(subject),
        ...(reply !== undefined && { reply: this.#scope.toBroker(reply) }),
        ...(headers && { headers }),
        payload: bytes.subarray(headerSize),
      })
    } catch (error) {
      return this.end(toClosing(error))
    }
    this.#acknowledge()
  }

  #subscribe(filter: string, sid: string, queue: string | undefined): void {
    if (!isSubjectFilter(filter) || (queue !== undefined && !isSubject(queue))) return this.#error('Invalid Subject')
    if (Math.max(filter.length, queue?.length ?? 0) > this.#hub.limits.maxSubjectLength)
      return this.#error('Invalid Subject')
    const verdict = maySubscribe(this.permissions, filter)
    if (verdict === 'refused') return this.#refuseSubscription(filter, queue)
    if (!this.#subscriptions.has(sid)) {
      const { maxSubscriptions } = this.#hub.limits
      if (
        this.#subscriptions.size >=
        Math.min(maxSubscriptions, this.#identity?.limits?.subscriptions ?? maxSubscriptions)
      )
        return this.#error('maximum subscriptions exceeded')
      const subscription = new Subscription(this, sid, filter, queue, verdict === 'withheld')
      if (!this.#hub.hasRoomFor(subscription)) return this.#error('maximum subscriptions exceeded')
      this.#subscriptions.set(sid, subscription)
      this.#mark = Math.max(this.#mark, this.#hub.subscribe(subscription))
      this.#changed()
    }
    this.#acknowledge()
  }

  #unsubscribe(sid: string, max: number): void {
    const subscription = this.#subscriptions.get(sid)
    if (subscription) {
      if (max > subscription.delivered) {
        subscription.max = max
        this.#changed()
      } else this.#remove(subscription)
    }
    this.#acknowledge()
  }

  /** PONG says that the broker has processed all that came before, so it may have to wait, and later ones behind it. */
  #answerPing(): void {
    const confirmed = this.#hub.confirm(this.#mark)
    if (!confirmed && this.#unansweredPings === 0) return this.write(PONG)
    this.#unansweredPings++
    this.#changed()
    this.#lastPong = Promise.all([confirmed, this.#lastPong]).then(() => {
      this.#unansweredPings--
      this.write(PONG)
      this.#changed()
    })
  }

  #refuseSubscription(filter: string, queue: string | undefined): void {
    this.#error(
      `Permissions Violation for Subscription to "${filter}"${queue === undefined ? '' : ` using queue "${queue}"`}`,
    )
  }

  #remove(subscription: Subscription): void {
    if (!this.#subscriptions.delete(subscription.sid)) return
    this.#hub.unsubscribe(subscription)
    this.#changed()
  }

  #acknowledge(): void {
    if (this.#flags.verbose) this.write(OK)
  }

  /** An error that costs the operation, not the connection. */
  #error(message: string): void {
    this.write(encodeError(message))
  }

  #stop(closing: Closing): never {
    this.end(closing)
    throw ENDED
  }

  /** Hands the host what it needs to restore this session, at most once per turn. */
  #changed(): void {
    const { persist } = this.#socket
    if (!persist || this.#phase === 'closed') return
    this.#outlet.beforeFlush(() => {
      if (this.#phase !== 'closed') persist.call(this.#socket, this.snapshot())
    })
  }

  #leave(): void {
    for (const subscription of this.#subscriptions.values()) this.#hub.unsubscribe(subscription)
    this.#subscriptions.clear()
    this.#waiting = []
    this.#hub.ended(this)
  }
}

function toClosing(error: unknown): Closing {
  if (error instanceof SpanwireError && error.code === 'upstream-unavailable') return closings.upstream
  if (error instanceof SpanwireError && error.message === closings.maxControlLine.error) return closings.maxControlLine
  return closings.protocol
}
