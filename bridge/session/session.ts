import { type ClientOp, type ConnectOptions, parseClientOp } from '../../sdk/wire/client-op.ts'
import { Framer } from '../../sdk/wire/client-reader.ts'
import { isSpanwireError } from '../../sdk/wire/errors.ts'
import { encodeError, encodeInfo } from '../../sdk/wire/server-op.ts'
import type { Identity } from '../auth/identity.ts'
import type { Permissions } from '../auth/permissions.ts'
import { PENALTY } from '../auth/rate-meter.ts'
import type { ClientConnection, ClientSocket } from '../delivery/client-socket.ts'
import { type ClientName, type ConnectionFigures, readClientName } from '../delivery/connection-stats.ts'
import { withOrigin } from '../delivery/origin-header.ts'
import { ReplyGrants } from '../delivery/reply-grants.ts'
import { Outlet } from '../delivery/send-queue.ts'
import type { ClientFlags, SessionSnapshot } from '../delivery/session-snapshot.ts'
import type { SharedBatch } from '../delivery/shared-batch.ts'
import { SubjectScope } from '../delivery/subject-scope.ts'
import type { Subscription, SubscriptionOwner } from '../delivery/subscription.ts'
import { Answers, type AnswersOwner } from './answers.ts'
import { type Closing, closings } from './close-reason.ts'
import { Lifetime } from './lifetime.ts'
import type { Outcome } from './outcome.ts'
import { Publisher, type PublishOp } from './publisher.ts'
import type { SessionHub } from './session-hub.ts'
import { Subscriptions } from './subscriptions.ts'

type Phase = 'connecting' | 'authenticating' | 'ready' | 'closed'

const OK = new TextEncoder().encode('+OK\r\n')
const NOTHING: Permissions = { publish: { allow: [], deny: [] }, subscribe: { allow: [], deny: [] } }

/** What of a client may wait, for its token to be checked or its turn, in bytes: one largest message and this. */
const WAITING_BYTES = 64 * 1024
/** Operations of one client in one turn. The rest waits until the others have had theirs: about 0.2 ms later. */
const OPERATIONS_PER_TURN = 32

/** One client's connection: its protocol state, who it is, and the order in which its operations are carried out. */
export class Session implements ClientConnection, SubscriptionOwner, AnswersOwner {
  readonly id: string
  readonly #hub: SessionHub
  readonly #socket: ClientSocket
  readonly #outlet: Outlet
  readonly #framer: Framer
  readonly #lifetime: Lifetime
  readonly #publisher: Publisher
  readonly #subscriptions: Subscriptions
  readonly #answers: Answers
  #phase: Phase = 'connecting'
  #identity: Identity | undefined
  #flags: ClientFlags = { verbose: false, echo: true, headers: false, noResponders: false }
  #client: ClientName = {}
  #nonce: string | undefined
  readonly #token: string | undefined
  readonly #inboxKey: string
  #scope: SubjectScope
  #replies: ReplyGrants
  /** The PUB whose payload comes next. */
  #publishing: PublishOp | undefined
  /** How many operations are left to this client in this turn. */
  #budget = 0
  /** It waits for the next turn. */
  #yielding = false
  #told: string | undefined
  /** The socket is closed; what it had sent may be still to do. */
  #gone = false
  #midOperation = false
  /** It published too fast: nothing of it is read any more. */
  #penalized = false

  /**
   * @param inboxKey see {@link SubjectScope}
   * @param token what the upgrade request presented
   */
  constructor(hub: SessionHub, socket: ClientSocket, id: string, inboxKey: string, token?: string) {
    this.id = id
    this.#token = token
    this.#hub = hub
    this.#socket = socket
    this.#lifetime = new Lifetime(hub.clock())
    this.#publisher = new Publisher(hub, this)
    this.#subscriptions = new Subscriptions(hub, this)
    this.#answers = new Answers(this)
    this.#inboxKey = inboxKey
    this.#scope = new SubjectScope(undefined, inboxKey)
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
    this.#nonce = snapshot.nonce
    if (!snapshot.identity) return
    this.#phase = 'ready'
    this.#flags = snapshot.flags
    this.#client = snapshot.client ?? {}
    this.#become(snapshot.identity)
    this.#hub.identified(this.user)
    this.#subscriptions.restore(snapshot.subscriptions)
    this.inform()
    for (let i = 0; i < snapshot.unansweredPings; i++) this.#answerPing()
  }

  snapshot(): SessionSnapshot {
    return {
      id: this.id,
      inboxKey: this.#inboxKey,
      flags: this.#flags,
      client: this.#client,
      ...(this.#nonce !== undefined && { nonce: this.#nonce }),
      ...(this.#identity && { identity: this.#identity }),
      subscriptions: this.#subscriptions.snapshot(),
      unansweredPings: this.#answers.pings,
      midOperation: this.#midOperation,
    }
  }

  get ready(): boolean {
    return this.#phase === 'ready'
  }

  get figures(): ConnectionFigures {
    return {
      id: this.id,
      user: this.user,
      client: this.#client,
      openedAt: this.#lifetime.openedAt,
      heardAt: this.#lifetime.heardAt,
      subscriptions: this.#subscriptions.size,
      unread: this.unread,
      inMessages: this.#publisher.messages,
      inBytes: this.#publisher.bytes,
      outMessages: this.#subscriptions.delivered,
      outBytes: this.#outlet.sent,
    }
  }

  /** What it subscribes to, in its own words. */
  get filters(): string[] {
    return this.#subscriptions.names
  }

  get user(): string {
    return this.#identity?.user ?? ''
  }

  get presence(): unknown {
    return this.#identity?.presence
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

  get maxData(): number | undefined {
    return this.#identity?.limits?.data
  }

  get replies(): ReplyGrants {
    return this.#replies
  }

  get unread(): number {
    return this.#outlet.unread
  }

  whenRead(below: number, run: () => void): void {
    this.#outlet.whenRead(below, run)
  }

  write(frame: Uint8Array, window?: number): void {
    this.#outlet.write(frame, window)
  }

  share(shared: SharedBatch, window: number): boolean {
    return this.#outlet.share(shared, window)
  }

  part(): void {
    this.#outlet.part()
  }

  receive(bytes: Uint8Array): void {
    if (this.#phase === 'closed' || this.#penalized) return
    this.#lifetime.heard()
    this.#read(() => this.#framer.push(bytes))
    if (!this.#framer.paused || this.#framer.held <= this.#hub.limits.maxPayload + WAITING_BYTES) return
    if (this.#phase === 'authenticating') this.#stem()
    else this.#read(() => this.#framer.resume(), Number.POSITIVE_INFINITY)
  }

  /** More has come behind a CONNECT than may wait. Somebody who is known goes on once the new token is checked. */
  #stem(): void {
    if (!this.#identity) this.end(closings.authorization)
    else if (this.#socket.pause) this.#socket.pause()
    else this.end(closings.restart)
  }

  closed(): void {
    if (this.#phase === 'closed') return
    this.#outlet.abandon()
    // It was sent before the socket was closed, so it counts; once it is known whose it is.
    this.#gone = true
    if (this.#phase === 'authenticating') return
    if (this.#yielding) this.#readOn(Number.POSITIVE_INFINITY)
    if ((this.#phase as Phase) === 'closed') return
    this.#phase = 'closed'
    this.#leave()
  }

  /** Tells the client why, and closes. */
  end(closing: Closing): void {
    if (this.#phase === 'closed') return
    this.#phase = 'closed'
    this.#framer.pause()
    if (this.#yielding) this.#socket.resume?.()
    this.#answers.giveUp()
    this.#outlet.close(closing.code, closing.error, encodeError(closing.error))
    this.#leave(closing.error)
  }

  /** Sends INFO: at the start, whenever the way to the broker is lost or found, and when the hub is about to go. */
  inform(): void {
    const info = { ...this.#hub.info(this.id, this.#nonce), max_payload: this.#maxPayload }
    const now = `${info.edge?.upstream} ${info.ldm} ${info.max_payload}`
    if (now === this.#told) return
    this.#told = now
    this.write(encodeInfo(info))
  }

  /** What a client publishes that wants no echo takes its connection id along, and the broker counts that, too. */
  get #maxPayload(): number {
    const { maxPayload, maxBrokerPayload } = this.#hub
    return this.echo ? maxPayload : Math.min(maxPayload, maxBrokerPayload - withOrigin(undefined, this.id).length)
  }

  /** Ends all subscriptions to a filter, as if they were no longer allowed. */
  revoke(filter: string): void {
    for (const refusal of this.#subscriptions.revoke(filter)) this.#answers.give(encodeError(refusal))
    this.changed()
  }

  /** Looks at the clock. */
  tick(now: number): void {
    const due = this.#lifetime.check(now, this.#hub.limits, {
      known: this.#identity !== undefined,
      expiresAt: this.#identity?.expiresAt,
      subscriptions: this.#subscriptions.size,
      unansweredPings: this.#outlet.unansweredPings,
    })
    if (due === 'ping') this.#outlet.ping()
    else if (due) this.end(due)
  }

  /** Hands the host what it needs to restore this session, at most once per turn. */
  changed(): void {
    if (!this.#socket.persist || this.#phase === 'closed') return
    this.#outlet.beforeFlush(() => {
      if (this.#phase !== 'closed') this.#socket.persist?.(this.snapshot())
    })
  }

  confirm(mark: number): Promise<void> | undefined {
    return this.#hub.confirm(mark)
  }

  exhausted(subscription: Subscription): void {
    this.#subscriptions.drop(subscription)
    this.changed()
  }

  /** Carries out what comes in, up to so many operations; what is left over waits for another turn. */
  #read(next: () => void, budget = OPERATIONS_PER_TURN): void {
    this.#budget = budget
    try {
      next()
    } catch (error) {
      this.end(toClosing(error))
    }
    if (this.#budget <= 0 && this.#framer.paused && this.#readable && !this.#yielding) {
      this.#yielding = true
      this.#socket.pause?.()
      this.#hub.turn.join({ flush: () => this.#readOn() })
    }
    const midOperation = this.#framer.midway
    if (midOperation !== this.#midOperation) {
      this.#midOperation = midOperation
      this.changed()
    }
  }

  #readOn(budget?: number): void {
    this.#yielding = false
    if (!this.#readable) return
    this.#read(() => this.#framer.resume(), budget)
    if (!this.#yielding && this.#readable) this.#socket.resume?.()
  }

  get #readable(): boolean {
    return this.#phase === 'ready' && !this.#penalized
  }

  #line(line: string): number {
    // As in nats-server: whoever has not said who they are gets no further than that.
    if (this.#phase === 'connecting' && !/^CONNECT\b/i.test(line)) return this.#stop(closings.authorization)
    const op = parseClientOp(line)
    if (op.verb === 'PUB') {
      if (op.size > Math.min(this.#maxPayload, this.#identity?.limits?.payload ?? op.size)) {
        return this.#stop(closings.maxPayload)
      }
      this.#publishing = op
      return op.size
    }
    this.#take(op)
    return -1
  }

  #payload(payload: Uint8Array): void {
    const op = this.#publishing as PublishOp
    this.#publishing = undefined
    this.#take(op, payload)
  }

  #take(op: ClientOp, payload?: Uint8Array): void {
    this.#perform(op, payload)
    // What comes behind a CONNECT waits until the token is checked.
    if (--this.#budget <= 0 || !this.#readable) this.#framer.pause()
  }

  #perform(op: ClientOp, payload: Uint8Array | undefined): void {
    switch (op.verb) {
      case 'PUB':
        return this.#conclude(this.#publish(op, payload as Uint8Array))
      case 'SUB':
        return this.#conclude(this.#subscribe(op.filter, op.sid, op.queue))
      case 'UNSUB':
        this.#subscriptions.end(op.sid, op.max)
        this.changed()
        return this.#conclude(undefined)
      case 'PING':
        return this.#answerPing()
      case 'PONG':
        return this.#outlet.ponged()
      case 'CONNECT':
        return this.#connect(op.options)
    }
  }

  #publish(op: PublishOp, bytes: Uint8Array): Outcome {
    this.#lifetime.active()
    return op.headerSize > 0 && !this.#flags.headers ? closings.headersUnsupported : this.#publisher.publish(op, bytes)
  }

  #subscribe(filter: string, sid: string, queue: string | undefined): Outcome {
    const { maxSubscriptions } = this.#hub.limits
    const max = Math.min(maxSubscriptions, this.#identity?.limits?.subscriptions ?? maxSubscriptions)
    const outcome = this.#subscriptions.add(filter, sid, queue, max)
    if (outcome === undefined) this.changed()
    return outcome
  }

  #conclude(outcome: Outcome): void {
    if (typeof outcome === 'string') this.#answers.give(encodeError(outcome))
    else if (outcome === closings.publishRate) this.#penalize()
    else if (outcome) this.end(outcome)
    else if (this.#flags.verbose) this.#answers.give(OK)
  }

  /** Closed at once, a flood would be back at once, and letting it in again costs more than what it sent. */
  #penalize(): void {
    if (!this.#socket.pause) return this.end(closings.publishRate)
    this.#penalized = true
    this.#socket.pause()
    setTimeout(() => this.end(closings.publishRate), PENALTY)
  }

  /** The first CONNECT says who the client is; a later one brings new credentials to the live connection. */
  #connect(options: ConnectOptions): void {
    if (options.no_responders && !options.headers) return this.end(closings.noRespondersWithoutHeaders)
    if ((options.protocol ?? 0) !== 0 && options.protocol !== 1) return this.end(closings.clientProtocol)
    this.#phase = 'authenticating'
    this.#hub.authenticate(options, this.#nonce, this.#token).then(
      (identity) => this.#accept(identity, options),
      (error) => this.#refuse(error),
    )
  }

  /** A key set that can't be had lets nobody in, and throws nobody out: the old credentials hold until they expire. */
  #refuse(error: unknown): void {
    if (!this.#identity || !isSpanwireError(error, 'upstream-unavailable')) return this.end(closings.authorization)
    if (this.#phase !== 'authenticating') return
    this.#phase = 'ready'
    this.#goOn()
  }

  #accept(identity: Identity, options: ConnectOptions): void {
    if (this.#phase !== 'authenticating') return
    const before = this.#identity
    // Subscriptions stand at the broker under the prefix, and limits count by user: a live connection stays who it is.
    if (before && (before.user !== identity.user || before.subjectPrefix !== identity.subjectPrefix)) {
      return this.end(closings.authorization)
    }
    this.#phase = 'ready'
    this.#become(identity)
    if (before) {
      for (const refusal of this.#subscriptions.review()) this.#answers.give(encodeError(refusal))
      this.#publisher.review()
    } else {
      // Only the first CONNECT's flags count: bytes on their way were promised under them.
      this.#flags = {
        // As in nats-server, which talks unless it is told not to.
        verbose: options.verbose !== false,
        echo: options.echo !== false,
        headers: options.headers === true,
        noResponders: options.headers === true && options.no_responders === true,
      }
      this.#client = readClientName(options)
      if (!this.#hub.identified(this.user)) return this.end(closings.maxUserConnections)
    }
    this.inform()
    this.#conclude(undefined)
    this.changed()
    this.#goOn()
  }

  /** Carries out what came behind a CONNECT. */
  #goOn(): void {
    this.#readOn(this.#gone ? Number.POSITIVE_INFINITY : undefined)
    if (this.#gone) this.closed()
  }

  #become(identity: Identity): void {
    const { subjectPrefix, permissions } = identity
    if (!this.#identity) {
      this.#scope = new SubjectScope(subjectPrefix, this.#inboxKey)
      this.#replies = new ReplyGrants(this.#scope, undefined, this.#hub.clock)
    }
    this.#identity = identity
    this.#replies.permit(permissions.reply)
  }

  #answerPing(): void {
    this.#answers.pong(Math.max(this.#publisher.mark, this.#subscriptions.mark))
  }

  /** Ends it; no payload follows. */
  #stop(closing: Closing): number {
    this.end(closing)
    return -1
  }

  #leave(reason?: string): void {
    this.#subscriptions.dropAll()
    this.#hub.ended(this.id, reason)
  }
}

function toClosing(error: unknown): Closing {
  const text = isSpanwireError(error) ? error.message : ''
  return text === closings.maxControlLine.error ? closings.maxControlLine : closings.protocol
}
