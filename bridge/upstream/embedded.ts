import { SpanwireError } from '../../sdk/errors.ts'
import { checkFilter, checkMessage, noRespondersMessage } from './message.ts'
import { recipients } from './recipients.ts'
import { StateCell } from './state-cell.ts'
import { SubjectTree } from './subject-tree.ts'
import type { EndSubscription, Upstream, UpstreamInfo, UpstreamMessage, UpstreamState } from './upstream.ts'

export interface EmbeddedOptions {
  /** Largest header block and payload together, in bytes. Default 1 MiB, as nats-server's. */
  readonly maxPayload?: number
  /** Chooses the member of a queue group. Default `Math.random`. */
  readonly random?: () => number
}

/** A broker inside this process, shared by the upstreams that `connect` makes. */
export interface EmbeddedBroker {
  /** One more connection to the broker. It is `open` from the start. */
  connect(): Upstream
}

interface Subscription {
  readonly owner: EmbeddedUpstream
  readonly queue: string | undefined
  readonly deliver: (message: UpstreamMessage) => void
  ended: boolean
}

/**
 * A broker for development and for bridges of a single process: core NATS (wildcards, queue groups, request and reply
 * with no-responders, headers) without a server. Nothing leaves the process and nothing outlives it.
 */
export function createEmbeddedBroker(options: EmbeddedOptions = {}): EmbeddedBroker {
  return new Broker(options)
}

/** An upstream with an embedded broker of its own; see {@link createEmbeddedBroker}. */
export function createEmbeddedUpstream(options?: EmbeddedOptions): Upstream {
  return createEmbeddedBroker(options).connect()
}

class Broker implements EmbeddedBroker {
  readonly info: UpstreamInfo
  readonly subscriptions = new SubjectTree<Subscription>()
  readonly #random: () => number
  /** Deliveries and answers to flushes, in order. */
  #tasks: Array<{ readonly run: () => void; readonly pause: boolean }> = []

  constructor({ maxPayload = 1_048_576, random = Math.random }: EmbeddedOptions) {
    this.info = { name: 'embedded', maxPayload }
    this.#random = random
  }

  connect(): Upstream {
    return new EmbeddedUpstream(this)
  }

  publish(message: UpstreamMessage, from: EmbeddedUpstream): void {
    checkMessage(message, this.info.maxPayload)
    const matching = this.subscriptions.match(message.subject)
    if (matching.length > 0) return this.#deliver(message, matching)
    if (message.reply === undefined) return
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

  constructor(broker: Broker) {
    this.#broker = broker
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
    this.#broker.subscriptions.add(filter, subscription)
    return (how = 'now') => {
      if (how === 'now') return this.#end(subscription, filter)
      this.#broker.subscriptions.delete(filter, subscription)
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
    for (const [subscription, filter] of this.#own) this.#end(subscription, filter)
    this.#state.set('closed')
  }

  #end(subscription: Subscription, filter: string): void {
    subscription.ended = true
    this.#own.delete(subscription)
    this.#broker.subscriptions.delete(filter, subscription)
  }

  #assertOpen(): void {
    if (this.state === 'closed') throw closed()
  }
}

function closed(): SpanwireError {
  return new SpanwireError('connection-closed', 'This upstream was closed: make a new one.')
}
