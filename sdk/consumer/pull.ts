import type { JetStreamApi } from '../jetstream/api.ts'
import { type Delivery, readDelivery } from '../jetstream/delivery.ts'
import { isLasting } from '../jetstream/lasting.ts'
import type { StoredMessage } from '../jetstream/link.ts'
import { createBackoff } from '../kit/backoff.ts'
import type { Transport, TransportSubscription } from '../transport/transport.ts'
import { encode } from '../wire/bytes.ts'
import { SpanwireError } from '../wire/errors.ts'
import { GROUP, takePin, WRONG_PIN } from './priority-group.ts'

/** A message that a consumer gave out. */
export interface Pulled {
  readonly message: StoredMessage
  /** How often, this time included. */
  readonly delivered: number
  /** Where its acknowledgement goes. */
  readonly ackTo: string
}

/** Whose messages. */
export interface PullTarget {
  readonly stream: string
  readonly consumer: string
  /** Where all of them belong to one process at a time: after how long without a word of it to another, in ms. */
  readonly pinTimeout?: number
}

/** None of these may throw. */
export interface PullHandler {
  /** How many messages may come now. */
  room(): number
  message(pulled: Pulled): void
  /** What comes from now on comes to this process alone. */
  pinned(): void
  /** It may come to another process now. */
  unpinned(): void
  /** Nothing more comes: the consumer is gone, or may not be asked. */
  gone(error: SpanwireError): void
}

/** A request is open for so long, in ms. */
const EXPIRES = 30_000
/** In ms. A request that is silent for longer than two and a half of these is given up. */
const HEARTBEAT = 5_000

const BAD_REQUEST = 400
const NO_MESSAGES = 404
const EXPIRED = 408
const HEARTBEAT_STATUS = 100

/**
 * Asks a durable consumer for as many messages as there is room for: one request at a time, so that it is known how many
 * may still come. Source: https://docs.nats.io/reference/reference-protocols/nats_api_reference (CONSUMER.MSG.NEXT), ADR-13
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
  #pin: string | undefined
  readonly #backoff = createBackoff({ first: 100, longest: 2_000 })
  /** A retry is scheduled, or the consumer is being looked up before it. */
  #isRetrying = false
  #request = 0
  /** What the open request may still bring. */
  #open = 0
  #heardAt = 0
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
      ended: (error) => this.#gone(error),
    })
    this.#releaseStatus = transport.onStatus(({ state }) => {
      if (state === 'open') this.#askAnew()
    })
    this.#watch = setInterval(() => {
      // Nobody answers for a consumer that was deleted while no request was open: it is looked for.
      if (this.#open > 0 && performance.now() - this.#heardAt > 2.5 * HEARTBEAT) this.#retry()
    }, HEARTBEAT)
    if (target.pinTimeout !== undefined) this.#keepPin = setInterval(() => this.#renewPin(), target.pinTimeout / 3)
  }

  /** Resolves when messages can come. Rejects if they may not. */
  get ready(): Promise<void> {
    return this.#subscription.ready
  }

  /** Whether messages come to this process alone, as far as it knows. */
  get isPinned(): boolean {
    return this.#pin !== undefined
  }

  /** There may be room for more. */
  fill(): void {
    const batch = this.#handler.room()
    if (this.#stopped || this.#open > 0 || this.#isRetrying || batch <= 0) return
    if (this.#transport.status.state !== 'open') return
    this.#open = batch
    this.#heardAt = performance.now()
    const own = ++this.#request
    this.#ask(`${own}`, { batch, expires: EXPIRES * 1e6, idle_heartbeat: HEARTBEAT * 1e6 }).catch(
      (error: SpanwireError) => {
        if (isLasting(error)) this.#gone(error)
        else if (own === this.#request) this.#retry()
      },
    )
  }

  #ask(name: string, body: object): Promise<void> {
    const { stream, consumer, pinTimeout } = this.#target
    const group = pinTimeout === undefined ? {} : { group: GROUP, ...(this.#pin !== undefined && { id: this.#pin }) }
    return this.#transport.publish(
      `$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`,
      encode(JSON.stringify({ ...body, ...group })),
      { reply: `${this.#inbox}.${name}` },
    )
  }

  /** Each request renews the pin, also one that no message is small enough for: there may be no room for more. */
  #renewPin(): void {
    if (this.#pin !== undefined) this.#ask('pin', { batch: 1, max_bytes: 1, no_wait: true }).catch(() => {})
  }

  /** Another process may begin at once. Where that isn't permitted it begins a little later. */
  unpin(): void {
    if (this.#pin === undefined) return
    const { stream, consumer } = this.#target
    this.#api.link.publish(
      `$JS.API.CONSUMER.UNPIN.${stream}.${consumer}`,
      encode(JSON.stringify({ group: GROUP })),
      `${this.#api.link.newInbox()}.unpinned`,
    )
  }

  /** Resolves when what was on its way has come; nothing more is asked for. */
  async stop(): Promise<void> {
    this.#end()
    await this.#subscription.drain()
  }

  #end(): void {
    this.#stopped = true
    clearInterval(this.#watch)
    clearInterval(this.#keepPin)
    this.#backoff.cancel()
    this.#releaseStatus()
  }

  #gone(error: Error): void {
    if (this.#stopped) return
    this.#end()
    this.#subscription.unsubscribe()
    this.#handler.gone(error as SpanwireError)
  }

  #take(delivery: Delivery, subject: string, reply: string | undefined): void {
    this.#heardAt = performance.now()
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
      // Every request that is open says so.
      if (this.#pin === undefined) return
      this.#pin = undefined
      this.#handler.unpinned()
      this.#askAnew()
    } else if (delivery.status !== HEARTBEAT_STATUS && subject === `${this.#inbox}.${this.#request}`) {
      this.#open = 0
      const { status, description } = delivery
      if (status === EXPIRED || status === NO_MESSAGES) this.fill()
      else if (status === BAD_REQUEST || /^exceeded maxrequest/i.test(description))
        this.#gone(
          new SpanwireError('stream-conflict', `The consumer ${this.#target.consumer} refuses: ${description}.`),
        )
      // A leader went, the server did, the consumer did, or there are too many who ask.
      else this.#retry()
    }
  }

  /** The open request is no more: its connection, or its server, was lost. */
  #askAnew(): void {
    this.#open = 0
    this.fill()
  }

  #retry(): void {
    if (this.#stopped || this.#isRetrying) return
    this.#open = 0
    this.#isRetrying = true
    this.#backoff.schedule(async () => {
      const error = await this.#look()
      this.#isRetrying = false
      if (error) this.#gone(error)
      else this.fill()
    })
  }

  /** Whether the consumer is there still. Who can't say asks for messages again, and hears it then. */
  async #look(): Promise<SpanwireError | undefined> {
    try {
      const { stream, consumer } = this.#target
      if (await this.#api.consumer(stream, consumer)) return undefined
      return new SpanwireError('stream-not-found', `The stream ${stream} has no consumer ${consumer} any more.`)
    } catch (error) {
      return isLasting(error) ? error : undefined
    }
  }
}
