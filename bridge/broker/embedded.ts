import { SpanwireError } from '../../sdk/wire/errors.ts'
import { recipients } from '../upstream/recipients.ts'
import { StateCell } from '../upstream/state-cell.ts'
import { SubjectTree } from '../upstream/subject-tree.ts'
import type { EndSubscription, Upstream, UpstreamInfo, UpstreamMessage, UpstreamState } from '../upstream/upstream.ts'
import { checkFilter, checkMessage, noRespondersMessage } from '../upstream/upstream-message.ts'
import { JetStream } from './jetstream/jetstream.ts'
import { createMemoryStore } from './jetstream/memory-store.ts'
import { openSqlite } from './jetstream/node-sqlite.ts'
import type { Sql } from './jetstream/sql.ts'
import { createSqliteStore } from './jetstream/sqlite-store.ts'
import type { Wire } from './jetstream/wire.ts'

export interface EmbeddedOptions {
  /** Largest header block and payload together, in bytes. Default 1 MiB, as nats-server's. */
  readonly maxPayload?: number
  /** Chooses the member of a queue group. Default `Math.random`. */
  readonly random?: () => number
  /**
   * Keeps streams of storage `file` in this SQLite database, by `node:sqlite`: they survive the process. One process at
   * a time. Default: in memory.
   */
  readonly path?: string
  /** The same in a database that the host has, such as a Durable Object's. */
  readonly sql?: Sql
  /**
   * What the messages of all streams may take together, in bytes; 400 more are counted for each message. Beyond it
   * messages are refused. Default 64 MiB: a fill-up costs an error, not the process.
   */
  readonly maxBytes?: number
  /** For times and ages of streams, in ms. Default `Date.now`. */
  readonly clock?: () => number
}

/** A broker inside this process, shared by the upstreams that `connect` makes. */
export interface EmbeddedBroker {
  /** One more connection to the broker. It is `open` from the start. */
  connect(): Upstream
  /** Ends consumers, and closes the database of `path`. Its upstreams are to be closed before. Idempotent. */
  close(): void
}

interface Subscription {
  readonly owner: EmbeddedUpstream
  readonly queue: string | undefined
  readonly deliver: (message: UpstreamMessage) => void
  ended: boolean
}

/**
 * A broker for development and for bridges of a single process: core NATS (wildcards, queue groups, request and reply
 * with no-responders, headers) and streams by a subset of JetStream's API, without a server. Nothing leaves the process;
 * only streams outlive it, and only where `path` or `sql` says where they are kept.
 * @throws SpanwireError `unsupported`, `invalid-argument` if the database of `path` can't be had
 */
export function createEmbeddedBroker(options: EmbeddedOptions = {}): EmbeddedBroker {
  return new Broker(options)
}

/** An upstream with an embedded broker of its own; see {@link createEmbeddedBroker}. */
export function createEmbeddedUpstream(options: EmbeddedOptions = {}): Upstream {
  const broker = new Broker(options)
  return broker.connect(() => broker.close())
}

class Broker implements EmbeddedBroker {
  readonly info: UpstreamInfo
  readonly subscriptions = new SubjectTree<Subscription>()
  readonly #random: () => number
  readonly #streams: JetStream
  /** Deliveries and answers to flushes, in order. */
  #tasks: Array<{ readonly run: () => void; readonly pause: boolean }> = []

  constructor(options: EmbeddedOptions) {
    const { maxPayload = 1_048_576, random = Math.random, maxBytes = 64 * 1_048_576, clock = Date.now } = options
    this.info = { name: 'embedded', jetstream: true, maxPayload }
    this.#random = random
    const sql = options.path === undefined ? options.sql : openSqlite(options.path)
    const store = sql ? createSqliteStore(sql) : createMemoryStore()
    this.#streams = new JetStream(this.#wire(), { store, maxBytes, clock, random: Math.random })
  }

  /** @param closed what is to be done when that upstream was closed */
  connect(closed?: () => void): Upstream {
    return new EmbeddedUpstream(this, closed)
  }

  close(): void {
    this.#streams.close()
  }

  subscribe(filter: string, subscription: Subscription): void {
    this.subscriptions.add(filter, subscription)
    this.#streams.interestChanged(filter)
  }

  unsubscribe(filter: string, subscription: Subscription): void {
    if (this.subscriptions.delete(filter, subscription)) this.#streams.interestChanged(filter)
  }

  #wire(): Wire {
    const hearing = (subject: string, queue: string | undefined) => {
      const all = this.subscriptions.match(subject)
      return queue === undefined ? all : all.filter((subscription) => subscription.queue === queue)
    }
    return {
      // Under another name: the message keeps the subject that it was published on.
      send: (to, message, queue) => this.#deliver(message, hearing(to, queue)),
      hears: (subject, queue) => hearing(subject, queue).length > 0,
    }
  }

  publish(message: UpstreamMessage, from: EmbeddedUpstream): void {
    checkMessage(message, this.info.maxPayload)
    const matching = this.subscriptions.match(message.subject)
    this.#deliver(message, matching)
    if (this.#streams.take(message) || matching.length > 0 || message.reply === undefined) return
    // Like nats-server, which tells only the connection that asked.
    const asking = this.subscriptions.match(message.reply).filter(({ owner }) => owner === from)
    this.#deliver(noRespondersMessage(message.reply), asking)
  }

  #deliver(message: UpstreamMessage, matching: readonly Subscription[]): void {
    for (const subscription of recipients(matching, this.#random)) {
      this.later(() => {
        if (!subscription.ended) subscription.deliver(message)
      })
    }
  }

  /** Never at once: a deliver that publishes must not find itself called again before it has returned. */
  later(run: () => void): void {
    this.#add({ run, pause: false })
  }

  /** Resolves after all that was asked before, and before anything that was asked later. */
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
    // Appended to while it runs, so that what a deliver publishes comes after what was there before.
    for (const [index, { run, pause }] of tasks.entries()) {
      try {
        run()
      } catch {
        // A deliver broke its word; the others are not to suffer.
      }
      if (!pause) continue
      // Whoever waited for the flush goes first.
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

  constructor(broker: Broker, closed?: () => void) {
    this.#broker = broker
    this.#closed = closed
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
    const subscription: Subscription = { owner: this, queue, deliver, ended: false }
    this.#own.set(subscription, filter)
    this.#broker.subscribe(filter, subscription)
    return (how = 'now') => {
      if (how === 'now') return this.#end(subscription, filter)
      this.#broker.unsubscribe(filter, subscription)
      this.#broker.later(() => this.#end(subscription, filter))
    }
  }

  publish(message: UpstreamMessage): void {
    this.#assertOpen()
    this.#broker.publish(message, this)
  }

  flush(): Promise<void> {
    return this.state === 'closed' ? Promise.reject(closed()) : this.#broker.flush()
  }

  async close(): Promise<void> {
    if (this.state === 'closed') return
    for (const [subscription, filter] of this.#own) this.#end(subscription, filter)
    this.#state.set('closed')
    this.#closed?.()
  }

  #end(subscription: Subscription, filter: string): void {
    subscription.ended = true
    this.#own.delete(subscription)
    this.#broker.unsubscribe(filter, subscription)
  }

  #assertOpen(): void {
    if (this.state === 'closed') throw closed()
  }
}

function closed(): SpanwireError {
  return new SpanwireError('connection-closed', 'This upstream was closed: make a new one.')
}
