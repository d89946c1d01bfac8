import { SpanwireError } from '../../sdk/wire/errors.ts'
import { recipients } from '../upstream/recipients.ts'
import { StateCell } from '../upstream/state-cell.ts'
import { SubjectTree } from '../upstream/subject-tree.ts'
import type { EndSubscription, Upstream, UpstreamInfo, UpstreamMessage, UpstreamState } from '../upstream/upstream.ts'
import { checkFilter, checkMessage, noRespondersMessage } from '../upstream/upstream-message.ts'
import type { BrokerPort } from './jetstream/broker-port.ts'
import { JetStream } from './jetstream/jetstream.ts'
import { createMemoryStore } from './jetstream/memory-store.ts'
import { openSqlite } from './jetstream/node-sqlite.ts'
import type { Sql } from './jetstream/sql.ts'
import { createSqliteStore } from './jetstream/sqlite-store.ts'

/** Options of an embedded broker. */
export interface EmbeddedOptions {
  /** Largest header block and payload together, in bytes. Default 1 MiB, as in nats-server. */
  readonly maxPayload?: number
  /** Source of randomness for queue groups. Default `Math.random`. */
  readonly random?: () => number
  /**
   * Path of a SQLite database for streams with storage `file`, which then survive the process. Needs `node:sqlite`. One
   * process at a time. Default: all streams are in memory.
   */
  readonly path?: string
  /** Same as `path`, with a database of the host, for example of a Durable Object. */
  readonly sql?: Sql
  /**
   * Largest size of all streams together, in bytes, with 400 bytes for each message in addition. Further messages are
   * refused. Default 64 MiB.
   */
  readonly maxBytes?: number
  /** Current time, in ms since 1970. Default `Date.now`. */
  readonly clock?: () => number
}

/**
 * The version of nats-server in INFO. Stock clients decide by it which features they use: this broker has the streams and
 * consumers of 2.10, within the limits that its errors state.
 */
const VERSION = '2.10.0'
/** Level of JetStream's API with time to live, batches and schedules, as in nats-server 2.14 (ADR-44). */
const API_LEVEL = 4

/** A broker in this process. The upstreams of `connect` share it. */
export interface EmbeddedBroker {
  /** Creates an upstream, which is `open` at once. */
  connect(): Upstream
  /** Ends consumers, and closes the database of `path`. Close its upstreams before. Idempotent. */
  close(): void
}

interface Subscription {
  readonly owner: EmbeddedUpstream
  readonly queue: string | undefined
  readonly deliver: (message: UpstreamMessage) => void
  /** Messages that were sent to it, and the number after which it ends. */
  sent: number
  max: number
  ended: boolean
}

/**
 * Creates a broker without a server, for development and for bridges of a single process. It has core NATS (wildcards,
 * queue groups, requests with no-responders, headers) and a subset of JetStream. Only streams in `path` or `sql` outlive
 * the process.
 * @throws SpanwireError `unsupported` without `node:sqlite`, `invalid-argument` if `path` can't be opened
 */
export function createEmbeddedBroker(options: EmbeddedOptions = {}): EmbeddedBroker {
  return new Broker(options)
}

/** Creates an upstream with an embedded broker of its own; see {@link createEmbeddedBroker}. */
export function createEmbeddedUpstream(options: EmbeddedOptions = {}): Upstream {
  const broker = new Broker(options)
  return broker.connect(() => broker.close())
}

class Broker implements EmbeddedBroker {
  readonly info: UpstreamInfo
  readonly subscriptions = new SubjectTree<Subscription>()
  readonly #random: () => number
  readonly #jetstream: JetStream
  /** Deliveries and flushes, in order. */
  #tasks: Array<{ readonly run: () => void; readonly pause: boolean }> = []

  constructor(options: EmbeddedOptions) {
    const { maxPayload = 1_048_576, random = Math.random, maxBytes = 64 * 1_048_576, clock = Date.now } = options
    this.info = { name: 'embedded', version: VERSION, apiLevel: API_LEVEL, jetstream: true, maxPayload }
    this.#random = random
    const sql = options.path === undefined ? options.sql : openSqlite(options.path)
    const store = sql ? createSqliteStore(sql) : createMemoryStore()
    this.#jetstream = new JetStream(this.#port(), { store, maxBytes, clock, random: Math.random })
  }

  /**
   * @param closed called when the upstream is closed
   * @param echo whether it gets its own messages
   */
  connect(closed?: () => void, echo = true): Upstream {
    return new EmbeddedUpstream(this, closed, echo)
  }

  close(): void {
    this.#jetstream.close()
  }

  subscribe(filter: string, subscription: Subscription): void {
    this.subscriptions.add(filter, subscription)
    this.#jetstream.interestChanged(filter)
  }

  unsubscribe(filter: string, subscription: Subscription): void {
    if (this.subscriptions.delete(filter, subscription)) this.#jetstream.interestChanged(filter)
  }

  #port(): BrokerPort {
    const interestIn = (subject: string, queue: string | undefined) => {
      const all = this.subscriptions.match(subject)
      return queue === undefined ? all : all.filter((subscription) => subscription.queue === queue)
    }
    return {
      // The message keeps its own subject.
      send: (to, message, queue) => this.#deliver(message, interestIn(to, queue)),
      hasInterest: (subject, queue) => interestIn(subject, queue).length > 0,
    }
  }

  publish(message: UpstreamMessage, from: EmbeddedUpstream): void {
    checkMessage(message, this.info.maxPayload)
    const all = this.subscriptions.match(message.subject)
    const matching = from.echo ? all : all.filter(({ owner }) => owner !== from)
    this.#deliver(message, matching)
    if (this.#jetstream.take(message) || matching.length > 0 || message.reply === undefined) return
    // As in nats-server, the status goes to one subscription of the requesting connection.
    const requesters = this.subscriptions.match(message.reply).filter(({ owner }) => owner === from)
    this.#deliver(noRespondersMessage(message.reply), requesters.slice(0, 1))
  }

  #deliver(message: UpstreamMessage, matching: readonly Subscription[]): void {
    for (const subscription of recipients(matching, this.#random)) {
      this.later(() => {
        if (!subscription.ended) subscription.deliver(message)
      })
      if (++subscription.sent >= subscription.max) subscription.owner.drain(subscription)
    }
  }

  /** Never within the call: a subscriber that publishes must not be called again before it returns. */
  later(run: () => void): void {
    this.#add({ run, pause: false })
  }

  /** Resolves after all earlier tasks, and before later ones. */
  flush(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#add({ run: resolve, pause: true })
    return promise
  }

  #add(task: { readonly run: () => void; readonly pause: boolean }): void {
    if (this.#tasks.push(task) === 1) queueMicrotask(() => this.#run())
  }

  #run(): void {
    const tasks = this.#tasks
    // Tasks are appended while it runs. Messages of subscribers come after earlier ones.
    for (const [index, { run, pause }] of tasks.entries()) {
      try {
        run()
      } catch {
        // A subscriber must not throw. Other subscribers are not affected.
      }
      if (!pause) continue
      // Code after the flush runs before later tasks.
      this.#tasks = tasks.slice(index + 1)
      if (this.#tasks.length > 0) queueMicrotask(() => this.#run())
      return
    }
    this.#tasks = []
  }
}

class EmbeddedUpstream implements Upstream {
  readonly #broker: Broker
  readonly #own = new Map<Subscription, string>()
  readonly #state = new StateCell('open')

  readonly #closed: (() => void) | undefined
  readonly echo: boolean

  constructor(broker: Broker, closed: (() => void) | undefined, echo: boolean) {
    this.#broker = broker
    this.#closed = closed
    this.echo = echo
  }

  get state(): UpstreamState {
    return this.#state.state
  }

  get info(): UpstreamInfo {
    return this.#broker.info
  }

  onState(listener: (state: UpstreamState) => void): () => void {
    return this.#state.listen(listener)
  }

  subscribe(filter: string, queue: string | undefined, deliver: (message: UpstreamMessage) => void): EndSubscription {
    this.#assertOpen()
    checkFilter(filter, queue)
    const subscription: Subscription = {
      owner: this,
      queue,
      deliver,
      sent: 0,
      max: Number.POSITIVE_INFINITY,
      ended: false,
    }
    this.#own.set(subscription, filter)
    this.#broker.subscribe(filter, subscription)
    return (how = 'now') => {
      if (how === 'now') return this.#end(subscription)
      if (how !== 'drain') subscription.max = how.after
      if (how === 'drain' || subscription.sent >= how.after) this.drain(subscription)
    }
  }

  /** Sends it nothing more. Messages that were sent are still delivered. */
  drain(subscription: Subscription): void {
    const filter = this.#own.get(subscription)
    if (filter === undefined) return
    this.#broker.unsubscribe(filter, subscription)
    this.#broker.later(() => this.#end(subscription))
  }

  publish(message: UpstreamMessage): void {
    this.#assertOpen()
    this.#broker.publish(message, this)
  }

  branch(): Upstream {
    return this.#broker.connect(undefined, false)
  }

  flush(): Promise<void> {
    return this.state === 'closed' ? Promise.reject(closed()) : this.#broker.flush()
  }

  async close(): Promise<void> {
    if (this.state === 'closed') return
    for (const subscription of this.#own.keys()) this.#end(subscription)
    this.#state.set('closed')
    this.#closed?.()
  }

  #end(subscription: Subscription): void {
    const filter = this.#own.get(subscription)
    subscription.ended = true
    this.#own.delete(subscription)
    if (filter !== undefined) this.#broker.unsubscribe(filter, subscription)
  }

  #assertOpen(): void {
    if (this.state === 'closed') throw closed()
  }
}

function closed(): SpanwireError {
  return new SpanwireError('connection-closed', 'This upstream is closed. Create a new one.')
}
