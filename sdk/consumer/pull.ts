import type { JetStreamApi } from '../jetstream/api.ts'
import { type Delivery, readDelivery } from '../jetstream/delivery.ts'
import type { StoredMessage } from '../jetstream/jetstream-link.ts'
import { isLasting } from '../jetstream/lasting.ts'
import { createBackoff } from '../kit/backoff.ts'
import type { Transport, TransportSubscription } from '../transport/transport.ts'
import { encode } from '../wire/bytes.ts'
import { isSpanwireError, SpanwireError } from '../wire/errors.ts'
import { GROUP, takePin, unpin, WRONG_PIN } from './priority-group.ts'

/** A message that a consumer delivered. */
export interface Pulled {
  readonly message: StoredMessage
  /** Number of deliveries, including this one. */
  readonly delivered: number
  /** Subject for the acknowledgement. */
  readonly ackTo: string
}

/** The consumer to pull from. */
export interface PullTarget {
  /** Name of the stream. */
  readonly stream: string
  /** Name of the consumer. */
  readonly consumer: string
  /** For a pinned consumer: time without a request after which another process is pinned, in ms. */
  readonly pinTimeout?: number
}

/** Receives messages. Its functions must not throw. */
export interface PullHandler {
  /** Returns the number of messages that may be delivered now. */
  room(): number
  /** Called with each message. */
  message(pulled: Pulled): void
  /** Called when the consumer was pinned to this process. */
  pinned(): void
  /** Called when the consumer may be pinned to another process. */
  unpinned(): void
  /** Called once if the consumer was deleted, or refuses requests. */
  ended(error: SpanwireError): void
}

/** Time until a request expires, in ms. */
const EXPIRES = 30_000
/** Longest time that a message with a pin is on its way, in ms. After a longer time, the pin ends by its timeout. */
const TRANSIT = 500
/** Interval of heartbeats, in ms. A request is repeated after a silence of 2.5 intervals. */
const HEARTBEAT = 5_000

const BAD_REQUEST = 400
const NO_MESSAGES = 404
const EXPIRED = 408
const HEARTBEAT_STATUS = 100

/**
 * Pulls messages from a durable consumer as long as the handler has room. It has one open request at a time, so that the
 * number of messages on their way is known.
 * Source: https://docs.nats.io/reference/reference-protocols/nats_api_reference (CONSUMER.MSG.NEXT), ADR-13
 */
export class Pull {
  readonly #transport: Transport
  readonly #api: JetStreamApi
  readonly #target: PullTarget
  readonly #handler: PullHandler
  readonly #inbox: string
  readonly #subscription: TransportSubscription
  readonly #releaseStatus: () => void
  readonly #watch: ReturnType<typeof setInterval>
  readonly #keepPin: ReturnType<typeof setInterval> | undefined
  readonly #backoff = createBackoff({ first: 100, longest: 2_000 })
  /** A retry is scheduled, or the consumer is queried before it. */
  #isRetrying = false
  #pin: string | undefined
  /** Number of the newest request. */
  #request = 0
  /** Number of messages that the open request may still deliver. */
  #open = 0
  #lastSeen = 0
  #stopped = false

  constructor(transport: Transport, api: JetStreamApi, target: PullTarget, handler: PullHandler) {
    this.#transport = transport
    this.#api = api
    this.#target = target
    this.#handler = handler
    this.#inbox = api.link.newInbox()
    this.#subscription = transport.subscribe(`${this.#inbox}.*`, {
      message: (given) => {
        const delivery = readDelivery(given)
        if (delivery) this.#take(delivery, given.subject, given.reply)
      },
      ended: (error) => this.#ended(error),
    })
    this.#releaseStatus = transport.onStatus(({ state }) => {
      if (state === 'open') this.#renew()
    })
    this.#watch = setInterval(() => {
      // A consumer that was deleted without an open request sends no status. The retry queries it.
      if (this.#open > 0 && performance.now() - this.#lastSeen > 2.5 * HEARTBEAT) this.#retry()
    }, HEARTBEAT)
    if (target.pinTimeout !== undefined) this.#keepPin = setInterval(() => this.#renewPin(), target.pinTimeout / 3)
  }

  /** Resolves when messages can be delivered. Rejects if they are refused. */
  get ready(): Promise<void> {
    return this.#subscription.ready
  }

  /** Whether this process has a pin. */
  get isPinned(): boolean {
    return this.#pin !== undefined
  }

  /** Requests messages if the handler has room. */
  fill(): void {
    const batch = this.#handler.room()
    if (this.#stopped || this.#open > 0 || this.#isRetrying || batch <= 0) return
    if (this.#transport.status.state !== 'open') return
    this.#open = batch
    this.#lastSeen = performance.now()
    const own = ++this.#request
    this.#send(`${own}`, { batch, expires: EXPIRES * 1e6, idle_heartbeat: HEARTBEAT * 1e6 }).catch((error) => {
      if (isLasting(error)) this.#ended(error)
      else if (own === this.#request) this.#retry()
    })
  }

  #send(name: string, body: object): Promise<void> {
    const { stream, consumer, pinTimeout } = this.#target
    const group = pinTimeout === undefined ? {} : { group: GROUP, ...(this.#pin !== undefined && { id: this.#pin }) }
    return this.#transport.publish(
      `$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`,
      encode(JSON.stringify({ ...body, ...group })),
      { reply: `${this.#inbox}.${name}` },
    )
  }

  /** Renews the pin by a request that no message fits, because the handler may have no room for a message. */
  #renewPin(): void {
    if (this.#pin !== undefined)
      this.#send(pinRequest(this.#pin), { batch: 1, max_bytes: 1, no_wait: true }).catch(() => {})
  }

  /**
   * Ends all requests, and releases the pin. Resolves when the messages that are on their way were delivered. The pin is
   * released first, so that JetStream sends no message to the subscription that ends: such a message waits for `ackWait`.
   */
  async stop(): Promise<void> {
    const begun = performance.now()
    const isWaiting = this.#target.pinTimeout !== undefined && this.#pin === undefined && this.#open > 0
    this.#end()
    if (this.#pin !== undefined) await this.#unpin()
    await this.#subscription.drain()
    if (isWaiting && (this.#pin !== undefined || (await this.#isPinnedSince(begun - TRANSIT)))) await this.#unpin()
  }

  /** Whether the open request may have the pin: JetStream gives it also to a request whose subscription has just ended. */
  async #isPinnedSince(begun: number): Promise<boolean> {
    const { stream, consumer } = this.#target
    const progress = await this.#api.consumerProgress(stream, consumer).catch(() => undefined)
    return progress !== undefined && progress.pinnedFor <= performance.now() - begun
  }

  async #unpin(): Promise<void> {
    if (this.#transport.status.state === 'open') await unpin(this.#api.link, this.#target.stream, this.#target.consumer)
  }

  #end(): void {
    this.#stopped = true
    clearInterval(this.#watch)
    clearInterval(this.#keepPin)
    this.#backoff.cancel()
    this.#releaseStatus()
  }

  #ended(cause: Error): void {
    if (this.#stopped) return
    this.#end()
    this.#subscription.unsubscribe()
    this.#handler.ended(
      isSpanwireError(cause) ? cause : new SpanwireError('connection-lost', 'The consumer ended.', { cause }),
    )
  }

  #take(delivery: Delivery, subject: string, reply: string | undefined): void {
    const isCurrent = subject === `${this.#inbox}.${this.#request}`
    // Answers to requests that renew the pin do not show that the open request exists.
    if (isCurrent || 'message' in delivery) this.#lastSeen = performance.now()
    if ('message' in delivery) {
      const { delivered } = delivery
      const { message, pin } =
        this.#target.pinTimeout === undefined ? { ...delivery, pin: undefined } : takePin(delivery.message)
      this.#backoff.failures = 0
      if (this.#open > 0) this.#open--
      if (pin !== this.#pin) {
        this.#pin = pin
        this.#handler.pinned()
      }
      this.#handler.message({ message, delivered, ackTo: reply ?? '' })
      this.fill()
    } else if (delivery.status === WRONG_PIN) {
      // Each open request has this status, also those with an earlier pin.
      if (this.#pin === undefined) return
      if (!isCurrent && subject !== `${this.#inbox}.${pinRequest(this.#pin)}`) return
      this.#pin = undefined
      this.#handler.unpinned()
      this.#renew()
    } else if (delivery.status !== HEARTBEAT_STATUS && isCurrent) {
      this.#open = 0
      const { status, description } = delivery
      if (status === EXPIRED || status === NO_MESSAGES) this.fill()
      else if (status === BAD_REQUEST || /^exceeded maxrequest/i.test(description))
        this.#ended(
          new SpanwireError('stream-conflict', `The consumer ${this.#target.consumer} refused: ${description}.`),
        )
      // The leader, the server or the consumer is unavailable, or the consumer has the maximum number of requests.
      else this.#retry()
    }
  }

  /** The open request was lost with its connection, or ended. */
  #renew(): void {
    this.#open = 0
    this.fill()
  }

  #retry(): void {
    if (this.#stopped || this.#isRetrying) return
    this.#open = 0
    this.#isRetrying = true
    this.#backoff.schedule(async () => {
      const error = await this.#query()
      this.#isRetrying = false
      if (error) this.#ended(error)
      else this.fill()
    })
  }

  /** Queries the consumer. Returns an error if it does not exist. If the query fails, the next request shows it. */
  async #query(): Promise<SpanwireError | undefined> {
    try {
      const { stream, consumer } = this.#target
      if (await this.#api.consumer(stream, consumer)) return undefined
      return new SpanwireError('stream-not-found', `The stream ${stream} has no consumer ${consumer}.`)
    } catch (error) {
      return isLasting(error) ? error : undefined
    }
  }
}

/** Name of a request that renews a pin. */
function pinRequest(pin: string): string {
  return `pin-${pin}`
}
