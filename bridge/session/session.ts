import { isThenable } from '../../sdk/kit/kinds.ts'
import { type ClientOp, type ConnectOptions, parseClientOp } from '../../sdk/wire/client-op.ts'
import { isSpanwireError } from '../../sdk/wire/errors.ts'
import { encodeError } from '../../sdk/wire/server-op.ts'
import type { Identity } from '../auth/identity.ts'
import { isOwnInbox } from '../auth/permissions.ts'
import { PENALTY } from '../auth/rate-meter.ts'
import type { Violation } from '../contract/violation.ts'
import type { Client } from '../delivery/client.ts'
import type { ClientConnection, ClientSocket } from '../delivery/client-socket.ts'
import { type ConnectionStats, readClientName } from '../delivery/connection-stats.ts'
import { SendQueue, type SendQueueHandler } from '../delivery/send-queue.ts'
import type { SessionSnapshot } from '../delivery/session-snapshot.ts'
import { Subscription } from '../delivery/subscription.ts'
import type { SubscribeOp } from '../delivery/topic.ts'
import type { Branch } from '../upstream/branches.ts'
import { type AnswerServices, Answers } from './answers.ts'
import { openBranch } from './branching.ts'
import { type CloseReason, closeReasons } from './close-reason.ts'
import { type ConnectionKeys, Credentials } from './credentials.ts'
import { InfoSender } from './info-sender.ts'
import { Lifetime } from './lifetime.ts'
import { type OperationHandler, OperationReader, type PublishOp } from './operation-reader.ts'
import { describeOperation } from './operation-trace.ts'
import { PendingPublishes, type PendingServices } from './pending-publishes.ts'
import { Publications } from './publications.ts'
import { encodeRefusal, limitOf, type Outcome, textOf } from './refusal.ts'
import type { SessionHub } from './session-hub.ts'
import { SessionMemory } from './session-memory.ts'
import { nameOfInbox, Subscriptions } from './subscriptions.ts'

type Phase = 'connecting' | 'authenticating' | 'branching' | 'checking' | 'ready' | 'closed'

const OK = new TextEncoder().encode('+OK\r\n')

/** Bytes of a client that may wait for its token or its turn, in addition to one message of the largest size. */
const WAITING_BYTES = 64 * 1024

/** Time for operations of a client that has closed its connection and that wait for decisions, in ms. */
const DECISION_PATIENCE = 10_000

/** One client's connection: its protocol state, and the order of its operations. */
export class Session implements ClientConnection, OperationHandler, SendQueueHandler, AnswerServices, PendingServices {
  readonly id: string
  readonly #hub: SessionHub
  readonly #socket: ClientSocket
  readonly #sendQueue: SendQueue
  readonly #reader: OperationReader
  readonly #lifetime: Lifetime
  readonly #credentials: Credentials
  readonly #publications: Publications
  readonly #subscriptions: Subscriptions
  readonly #answers: Answers
  readonly #info: InfoSender
  readonly #memory: SessionMemory
  /** Publishes that wait for a decision. Other operations wait until none is left. */
  readonly #pending: PendingPublishes
  /** An operation that waits for them. */
  #waiting: ClientOp | undefined
  /** Its own connection to the broker, if it needs one. */
  #branch: Branch | undefined
  #phase: Phase = 'connecting'
  /** The socket is closed. Operations that arrived before may still wait. */
  #isSocketClosed = false
  /** A closed client leaves then, in ms since 1970, even if some of its operations still wait. */
  #leaveBy = 0
  /** Until then its operations are logged, in ms since 1970. */
  #tracedUntil = 0
  /** Published too fast. Nothing more of it is read. */
  #isPenalized = false

  constructor(hub: SessionHub, socket: ClientSocket, keys: ConnectionKeys) {
    this.id = keys.id
    this.#hub = hub
    this.#socket = socket
    this.#lifetime = new Lifetime(hub.clock())
    const sendQueue = new SendQueue(socket, hub.turn, hub.limits.maxPending, this)
    this.#sendQueue = sendQueue
    this.#credentials = new Credentials(hub, keys)
    this.#info = new InfoSender(hub, this.#credentials, sendQueue, socket.address)
    const { client } = this.#credentials
    const subscriptions = new Subscriptions(hub, client, sendQueue, this)
    this.#subscriptions = subscriptions
    this.#publications = new Publications(hub, client, subscriptions)
    const answers = new Answers(sendQueue, this)
    this.#answers = answers
    const pending = new PendingPublishes(this)
    this.#pending = pending
    const reader = new OperationReader(this, socket, hub.turn, hub.limits)
    this.#reader = reader
    const parts = { client, socket, reader, sendQueue, subscriptions, answers, pending }
    this.#memory = new SessionMemory(hub.budget, parts, () => this.end(closeReasons.memory))
  }

  /** Sends INFO to a new client. */
  open(): void {
    this.#credentials.issueNonce()
    this.inform()
  }

  /** Continues a session of a lost hub. A session in the middle of an operation is closed instead. */
  restore(snapshot: SessionSnapshot): void {
    if (snapshot.midOperation) return this.end(closeReasons.restart)
    if (!this.#credentials.restore(snapshot)) return
    this.#begin()
    if (snapshot.subscriptions.some((one) => this.#subscriptions.needsBranch(one)))
      this.#branch = openBranch(this.#hub, this.#subscriptions)
    for (const refusal of this.#subscriptions.restore(snapshot.subscriptions))
      this.#answers.send(encodeRefusal(refusal))
    this.inform()
    for (let i = 0; i < snapshot.unansweredPings; i++) this.#answerPing()
  }

  /** Whether a CONNECT was accepted and the connection is open. */
  get isReady(): boolean {
    return this.#phase === 'ready'
  }

  get client(): Client {
    return this.#credentials.client
  }

  get user(): string {
    return this.client.identity.user
  }

  get stats(): ConnectionStats {
    return {
      id: this.id,
      user: this.user,
      client: this.#credentials.name,
      ...(this.#socket.address !== undefined && { address: this.#socket.address }),
      openedAt: this.#lifetime.openedAt,
      activeAt: this.#lifetime.activeAt,
      subscriptions: this.#subscriptions.size,
      unread: this.#sendQueue.unread,
      inMessages: this.#publications.messages,
      inBytes: this.#publications.bytes,
      outMessages: this.#subscriptions.delivered,
      outBytes: this.#sendQueue.sent,
    }
  }

  /** Subjects of the client's SUBs. */
  get filters(): string[] {
    return this.#subscriptions.subjects
  }

  receive(bytes: Uint8Array): void {
    if (this.#phase === 'closed' || this.#isPenalized) return
    this.#lifetime.received()
    this.#reader.push(bytes)
    if (this.#reader.waiting <= this.#hub.limits.maxPayload + WAITING_BYTES) return
    if (this.#phase !== 'ready') this.#limitWaiting()
    else this.#reader.readAll()
  }

  grown(): void {
    this.memoryChanged()
  }

  memoryChanged(): void {
    this.#memory.changed()
  }

  closed(): void {
    if (!this.#isSocketClosed) {
      this.#isSocketClosed = true
      this.#leaveBy = this.#hub.clock() + DECISION_PATIENCE
      this.#hub.socketClosed()
    }
    if (this.#phase === 'closed') return this.#memory.close()
    this.#sendQueue.abandon()
    // Operations that were sent before the end count. They wait until the token is checked.
    if (this.#isBusy) return
    this.#reader.readRest()
    if (this.#isBusy || (this.#phase as Phase) === 'closed') return
    this.#abandon()
  }

  /** Ends the session of a client that has closed its connection. */
  #abandon(): void {
    this.#phase = 'closed'
    this.#reader.stop()
    this.#pending.clear()
    this.#memory.close()
    this.#leave()
  }

  /** Closes the connection, after an `-ERR` if the reason has one. */
  end(reason: CloseReason): undefined {
    if (this.#phase === 'closed') return
    this.#phase = 'closed'
    this.#reader.stop()
    this.#pending.clear()
    if (this.#isSocketClosed) this.#memory.close()
    this.#answers.flushWithoutPongs()
    this.#sendQueue.close(reason, reason.error === undefined ? undefined : encodeError(reason.error))
    this.#leave(reason.text)
  }

  /** Same as {@link InfoSender.send}. */
  inform(): void {
    this.#info.send()
  }

  /** Ends all subscriptions to a filter, as if they were no longer permitted. */
  revoke(filter: string): void {
    for (const refusal of this.#subscriptions.revoke(filter)) this.#answers.send(encodeRefusal(refusal))
    this.changed()
  }

  /** Begins or ends a trace, as an administrator ordered. */
  trace(): void {
    this.#tracedUntil = this.#hub.tracedUntil(this.id, this.user)
  }

  /** Checks deadlines. The hub calls it once per second. */
  tick(now: number): void {
    if (this.#isSocketClosed && now >= this.#leaveBy) return this.#abandon()
    const due = this.#lifetime.check(now, this.#hub.limits, {
      isKnown: this.#credentials.isKnown,
      expiresAt: this.client.identity.expiresAt,
      subscriptions: this.#subscriptions.size,
      unansweredPings: this.#sendQueue.unansweredPings,
    })
    this.memoryChanged()
    if (due === 'ping') this.#sendQueue.ping()
    else if (due) this.end(due)
  }

  /** Gives the host a snapshot, once per turn. */
  changed(): void {
    if (!this.#socket.persist || this.#phase === 'closed') return
    this.#sendQueue.beforeFlush(() => {
      if (this.#phase !== 'closed') this.#socket.persist?.(this.#snapshot())
    })
  }

  get isReadable(): boolean {
    return this.#phase === 'ready' && !this.#isPenalized
  }

  parse(line: string): ClientOp | undefined {
    // Like in nats-server, nothing but CONNECT is parsed before the first CONNECT.
    if (this.#phase === 'connecting' && !/^CONNECT\b/i.test(line)) return this.end(closeReasons.authorization)
    const op = parseClientOp(line)
    if (op.verb !== 'PUB') return op
    const max = Math.min(this.#info.maxPayload, this.client.identity.limits?.payload ?? op.size)
    return op.size > max ? this.end(closeReasons.maxPayload) : op
  }

  perform(op: ClientOp, payload: Uint8Array | undefined): void {
    if (this.#pending.size > 0 && op.verb !== 'PUB' && op.verb !== 'PONG') {
      this.#waiting = op
      this.#phase = 'checking'
      return
    }
    if (this.#tracedUntil > 0) this.#trace(() => describeOperation(op))
    switch (op.verb) {
      case 'PUB':
        return this.#publish(op, payload as Uint8Array)
      case 'SUB':
        return this.#subscribe({ subject: op.filter, sid: op.sid, queue: op.queue })
      case 'UNSUB':
        this.#subscriptions.unsubscribe(op.sid, op.max, this.#publications.lastOperation)
        this.changed()
        return this.#conclude(undefined)
      case 'PING':
        return this.#answerPing()
      case 'PONG':
        this.#lifetime.pongReceived()
        return this.#sendQueue.pongReceived()
      case 'CONNECT':
        return this.#connect(op.options)
    }
  }

  slowConsumer(): void {
    this.end(closeReasons.slowConsumer)
  }

  ponged(): void {
    this.#info.ponged()
  }

  #trace(describe: () => string): void {
    if (this.#hub.clock() < this.#tracedUntil) this.#hub.traced(this.stats, describe())
    else this.#tracedUntil = 0
  }

  #publish(op: PublishOp, bytes: Uint8Array): void {
    this.#lifetime.active()
    if (op.headerSize > 0 && !this.client.flags.headers) return this.#conclude(closeReasons.headersUnsupported)
    const outcome = this.#publications.publish(op, bytes, this.#pending.size > 0)
    if (outcome && 'verdict' in outcome) this.#pending.add(outcome)
    else if (this.#pending.size > 0) this.#pending.addConcluded(outcome)
    else return this.#conclude(outcome)
    if (this.#pending.isFull) this.#phase = 'checking'
    this.changed()
  }

  concluded(outcome: Outcome): void {
    if (this.#phase !== 'closed') this.#conclude(outcome)
  }

  drained(): void {
    if (this.#phase === 'closed') return
    const op = this.#waiting
    const wasPaused = this.#phase === 'checking'
    this.#waiting = undefined
    this.#phase = 'ready'
    if (op) this.perform(op, undefined)
    this.changed()
    if (wasPaused || this.#isSocketClosed) this.#resume()
  }

  /** Operations wait for something else than the client. */
  get #isBusy(): boolean {
    return ['authenticating', 'branching', 'checking'].includes(this.#phase) || this.#pending.size > 0
  }

  #subscribe(op: SubscribeOp): void {
    const { contract } = this.#hub
    const filters = contract?.decidesSubscriptions ? this.#subscriptions.permittedFilters(op) : undefined
    const verdict = filters === undefined ? undefined : contract?.subscribe(this.client.identity, filters)
    if (!isThenable(verdict)) return this.#subscribeUnless(verdict, op)
    this.#phase = 'checking'
    void verdict.then((violation) => {
      if (this.#phase !== 'checking') return
      this.#phase = 'ready'
      this.#subscribeUnless(violation, op)
      this.#resume()
    })
  }

  #subscribeUnless(violation: Violation | undefined, op: SubscribeOp): void {
    if (violation) return this.#conclude({ refused: 'subscribe-permission', subject: op.subject, queue: op.queue })
    if (isOwnInbox(op.subject)) this.#adoptInboxes(nameOfInbox(op.subject))
    const subscription = this.#subscriptions.prepare(op)
    if (!(subscription instanceof Subscription)) return this.#conclude(subscription)
    if (!this.#subscriptions.needsBranch(subscription)) return this.#beginSubscription(subscription)
    const branch = openBranch(this.#hub, this.#subscriptions)
    if (!branch) return this.#conclude({ refused: 'too-many-subscriptions' })
    this.#branch = branch
    this.#phase = 'branching'
    // Earlier publishes are on the shared connection, and must come before later ones.
    const published = this.#hub.upstream.confirm(this.#publications.lastOperation)
    void Promise.all([branch.opened(), published]).then(() => {
      if (this.#phase !== 'branching') return
      this.#phase = 'ready'
      this.inform()
      this.#beginSubscription(subscription)
      this.#resume()
    })
  }

  /** A client that has connected again begins with its inboxes. */
  #adoptInboxes(name: string): void {
    const { scope } = this.client
    const key = scope.isUsed ? undefined : this.#hub.inboxKeys.take(this.user, name)
    if (key === undefined) return
    this.#hub.noResponders.remove(this.#subscriptions)
    this.#credentials.adoptInboxes(key)
    this.#hub.noResponders.add(this.#subscriptions)
  }

  #beginSubscription(subscription: Subscription): void {
    this.#subscriptions.begin(subscription, this.#publications.lastOperation)
    this.changed()
    this.memoryChanged()
    this.#conclude(undefined)
  }

  #conclude(outcome: Outcome): void {
    if (!outcome) {
      if (this.client.flags.verbose) this.#answers.send(OK)
    } else if ('refused' in outcome) {
      if (this.#tracedUntil > 0) this.#trace(() => `-ERR ${textOf(outcome)}`)
      const limit = limitOf(outcome)
      if (limit) this.#hub.limited(limit, this)
      this.#answers.send(encodeRefusal(outcome))
    } else if (outcome === closeReasons.publishRate) this.#penalize()
    else this.end(outcome)
  }

  /** Holds a client that publishes too fast before it is closed: it would reconnect at once, which costs more than its publishes. */
  #penalize(): void {
    if (!this.#socket.pause) return this.end(closeReasons.publishRate)
    this.#isPenalized = true
    this.#socket.pause()
    setTimeout(() => this.end(closeReasons.publishRate), PENALTY)
  }

  /** The first CONNECT authenticates the client. A later one renews its credentials. */
  #connect(options: ConnectOptions): void {
    const contradiction = this.#credentials.check(options)
    if (contradiction) return this.end(contradiction)
    this.#phase = 'authenticating'
    this.#credentials.authenticate(options).then(
      (identity) => this.#accept(identity, options),
      (error) => this.#refuse(error, options),
    )
  }

  /** If the JWKS is unavailable, new clients are refused, and known ones keep their credentials until they expire. */
  #refuse(error: unknown, options: ConnectOptions): void {
    this.#hub.refused({ ...this.stats, client: readClientName(options) }, error)
    if (!this.#credentials.isKnown || !isSpanwireError(error, 'upstream-unavailable'))
      return this.end(closeReasons.authorization)
    if (this.#phase !== 'authenticating') return
    this.#phase = 'ready'
    this.#resume()
  }

  #accept(identity: Identity, options: ConnectOptions): void {
    if (this.#phase !== 'authenticating') return
    const isRenewal = this.#credentials.isKnown
    const reason = this.#credentials.accept(identity, options)
    if (reason) return this.end(reason)
    this.#begin()
    if (isRenewal) {
      for (const refusal of this.#subscriptions.review()) this.#answers.send(encodeRefusal(refusal))
      this.#hub.channels.review(this.client)
    }
    this.inform()
    this.#conclude(undefined)
    this.changed()
    this.#resume()
  }

  /** The client is known, and its operations are performed. */
  #begin(): void {
    this.#phase = 'ready'
    this.#memory.identified()
    this.#hub.noResponders.add(this.#subscriptions)
    this.trace()
  }

  /** Performs operations that arrived after a CONNECT. */
  #resume(): void {
    this.#reader.resume(this.#isSocketClosed ? Number.POSITIVE_INFINITY : undefined)
    if (this.#isSocketClosed) this.closed()
  }

  /** Too many bytes wait for a token check. A known client is paused. */
  #limitWaiting(): void {
    if (!this.#credentials.isKnown) this.end(closeReasons.authorization)
    else if (this.#socket.pause) this.#socket.pause()
    // The memory of waiting bytes is limited by the budget of the user.
    else if (this.#phase !== 'checking') this.end(closeReasons.restart)
  }

  #answerPing(): void {
    this.#answers.pong(Math.max(this.#publications.lastOperation, this.#subscriptions.lastOperation))
  }

  confirm(operation: number): Promise<unknown> | undefined {
    const shared = this.#hub.upstream.confirm(operation)
    const branch = this.#branch?.upstream.confirmAll()
    return shared && branch ? Promise.all([shared, branch]) : (shared ?? branch)
  }

  #snapshot(): SessionSnapshot {
    return {
      ...this.#credentials.snapshot(),
      subscriptions: this.#subscriptions.snapshot(),
      unansweredPings: this.#answers.pings,
      midOperation: this.#reader.midOperation || this.#phase === 'checking' || this.#pending.size > 0,
    }
  }

  #leave(reason?: string): void {
    this.#hub.inboxKeys.keep(this.user, this.#subscriptions.inboxNames, this.client.scope.inboxKey)
    this.#subscriptions.dropAll()
    this.#hub.noResponders.remove(this.#subscriptions)
    this.#branch?.close()
    if (this.#tracedUntil > 0 && reason === undefined) this.#trace(() => 'The client has closed the connection.')
    this.#hub.ended(this.id, reason)
  }
}
