import { createBackoff } from '../kit/backoff.ts'
import { pause } from '../kit/pause.ts'
import { isSpanwireError, SpanwireError } from '../wire/errors.ts'
import { type JetStreamApi, type StreamState, toFilters } from './api.ts'
import { readDelivery } from './delivery.ts'
import type { JetStreamMessage, StoredMessage } from './jetstream-link.ts'

/** Receives the messages of a stream. Its functions must not throw. */
export interface FollowHandler {
  /** Called with each message, in order. */
  message(message: StoredMessage): void
  /**
   * Called when a consumer was created, at first and after each loss. `next` is the first sequence that it may deliver.
   * `state` was read after the consumer was created. If the stream was created again (`epoch`) or lost its newest messages
   * (`lastSeq` + 1 < `next`), the handler must stop this and start again.
   */
  started(next: number, state: StreamState): void
  /** Called with an error after which another attempt follows. */
  trouble?(error: SpanwireError): void
}

/** The part of a stream to follow. */
export interface FollowTarget {
  /** Name of the stream. */
  readonly stream: string
  /** Subject filter, or a list of them. */
  readonly filter: string
  /** First sequence to deliver. */
  readonly from: number
}

/** A stream that is being followed. */
export interface Following {
  /** The sequence after the last one delivered. */
  readonly next: number
  /** Creates a new consumer now, as after an outage. */
  restart(): void
  /** Ends it and deletes the consumer. */
  stop(): void
}

/** Interval of heartbeats, in ms. A consumer is replaced after a silence of 2.5 intervals. */
const HEARTBEAT = 1_000
/**
 * Time without messages after which a consumer is compared with the stream's leader, in ms. The consumer may be on a
 * replica that lags behind, and still send heartbeats. The time doubles after each comparison without a difference.
 */
const QUIET = 10_000
const LONGEST_QUIET = 300_000
const RETRIES = { first: 100, longest: 1_000 }
/**
 * Time for the creation of a consumer in the first attempts, in ms. Servers without a leader drop the request, for the 4 to 9 s
 * of an election. After {@link QUICK_ATTEMPTS} the server may be overloaded: then the default of the API applies.
 */
const QUICK = 1_000
const QUICK_ATTEMPTS = 8

/**
 * Follows a stream from a sequence on. It delivers every message of the filter once and in order, through an ordered push
 * consumer that is created again after each gap or loss. Source: NATS ADR-17.
 */
export function followStream(api: JetStreamApi, target: FollowTarget, handler: FollowHandler): Following {
  const { stream, from } = target
  const backoff = createBackoff(RETRIES)
  let next = from
  let stopped = false
  let current: OrderedConsumer | undefined

  async function start(): Promise<void> {
    current?.end()
    backoff.cancel()
    const consumer = new OrderedConsumer(api, target, { next: () => next, restart, message })
    current = consumer
    try {
      await consumer.create(next, backoff.failures < QUICK_ATTEMPTS ? QUICK : undefined)
      const state = await api.streamState(stream, { deleted: true })
      if (consumer !== current) return
      if (!state) throw new SpanwireError('stream-not-found', `The stream ${stream} does not exist.`)
      backoff.failures = 0
      handler.started(next, state)
      consumer.deliver()
    } catch (cause) {
      if (consumer !== current) return
      consumer.end()
      handler.trouble?.(
        isSpanwireError(cause)
          ? cause
          : new SpanwireError('upstream-unavailable', `Cannot follow ${stream}.`, { cause }),
      )
      // The handler may have stopped it.
      if (stopped) return
      const delay = backoff.next()
      // A timeout was a wait already. The rest keeps consumers that failed together apart.
      backoff.schedule(start, isSpanwireError(cause, 'timeout') ? delay / 10 : delay)
    }
  }

  function restart(): void {
    if (!stopped) void start()
  }

  function message(message: StoredMessage): void {
    if (message.seq < next) return
    next = message.seq + 1
    handler.message(message)
  }

  void start()
  return {
    get next() {
      return next
    },
    restart,
    stop() {
      stopped = true
      backoff.cancel()
      current?.end()
      current = undefined
    },
  }
}

/** The owner of an {@link OrderedConsumer}. */
interface Owner {
  /** The next sequence to deliver. */
  next(): number
  message(message: StoredMessage): void
  /** The consumer missed something: it must be replaced. */
  restart(): void
}

/** One push consumer, from its creation to its end. */
class OrderedConsumer {
  readonly #api: JetStreamApi
  readonly #target: FollowTarget
  readonly #owner: Owner
  readonly #inbox: string
  readonly #unsubscribe: () => void
  #watch: ReturnType<typeof setInterval> | undefined
  /** Messages that arrived before `deliver`. */
  #held: JetStreamMessage[] | undefined = []
  /** Consumer sequence of the next message. */
  #expected = 1
  #lastSeen = Date.now()
  #quiet = QUIET
  #compareAt = Date.now() + QUIET
  #name: string | undefined
  #ended = false

  constructor(api: JetStreamApi, target: FollowTarget, owner: Owner) {
    this.#api = api
    this.#target = target
    this.#owner = owner
    this.#inbox = `${api.link.newInbox()}.follow`
    this.#unsubscribe = api.link.subscribe(this.#inbox, (given) =>
      this.#held ? this.#held.push(given) : this.#take(given),
    )
  }

  async create(from: number, timeout: number | undefined): Promise<void> {
    const { stream, filter } = this.#target
    const config = {
      deliver_subject: this.#inbox,
      deliver_policy: 'by_start_sequence',
      opt_start_seq: from,
      ...toFilters(filter),
      ack_policy: 'none',
      max_deliver: 1,
      flow_control: true,
      // In ns.
      idle_heartbeat: HEARTBEAT * 1_000_000,
      mem_storage: true,
      num_replicas: 1,
    }
    const { name } = await this.#api.createConsumer(stream, config, timeout)
    if (this.#ended) this.#api.deleteConsumer(stream, name)
    else this.#name = name
  }

  /** Delivers the messages that have arrived, and from now on each one immediately. */
  deliver(): void {
    if (this.#ended) return
    const held = this.#held ?? []
    this.#held = undefined
    this.#lastSeen = Date.now()
    this.#watch = setInterval(() => this.#check(), HEARTBEAT)
    for (const given of held) this.#take(given)
  }

  end(): void {
    if (this.#ended) return
    this.#ended = true
    clearInterval(this.#watch)
    this.#unsubscribe()
    if (this.#name !== undefined) this.#api.deleteConsumer(this.#target.stream, this.#name)
  }

  #take(given: JetStreamMessage): void {
    if (this.#ended) return
    this.#lastSeen = Date.now()
    const delivery = readDelivery(given)
    if (!delivery) return
    if ('status' in delivery) {
      const { status, header } = delivery
      const stalled = header('Nats-Consumer-Stalled')
      if (status !== 100 || Number(header('Nats-Last-Consumer') ?? 0) >= this.#expected) return this.#owner.restart()
      // Flow control: the server continues after an answer.
      const { link } = this.#api
      if (given.reply) link.publish(given.reply, new Uint8Array())
      else if (stalled) link.publish(stalled, new Uint8Array())
      return
    }
    if (delivery.consumerSeq !== this.#expected) return this.#owner.restart()
    this.#expected++
    this.#quiet = QUIET
    this.#compareAt = this.#lastSeen + QUIET
    this.#owner.message(delivery.message)
  }

  #check(): void {
    const now = Date.now()
    if (now - this.#lastSeen > 2.5 * HEARTBEAT) return this.#owner.restart()
    if (now < this.#compareAt) return
    this.#quiet = Math.min(2 * this.#quiet, LONGEST_QUIET)
    this.#compareAt = now + this.#quiet
    this.#compare().catch(() => {})
  }

  /** Replaces the consumer if the stream's leader has messages that it did not deliver. */
  async #compare(): Promise<void> {
    const next = this.#owner.next()
    const last = await this.#api.lastMessage(this.#target.stream, this.#target.filter)
    // Messages that were just published are still on their way.
    await pause(HEARTBEAT)
    if (!this.#ended && this.#owner.next() === next && (last?.seq ?? 0) >= next) this.#owner.restart()
  }
}
