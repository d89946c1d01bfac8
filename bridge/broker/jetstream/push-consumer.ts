import { MAX_TIMER } from '../../../sdk/kit/max-timer.ts'
import type { ConsumerConfig } from './consumer-config.ts'
import { statusMessage } from './status-message.ts'
import type { Stream } from './stream.ts'
import { Consumer, type ConsumerServices } from './stream-consumer.ts'

const NS_PER_MS = 1_000_000
/** Messages and bytes sent in one turn of the event loop. */
const TURN = { messages: 256, bytes: 1_048_576 }
/** With flow control: bytes that may be unanswered. */
const WINDOW = 4 * 1_048_576

/** Delivers messages to its deliver subject while there is interest in it. */
export class PushConsumer extends Consumer {
  readonly #to: string
  readonly #queue: string | undefined
  #bound = false
  #turn: ReturnType<typeof setTimeout> | undefined
  #heartbeat: ReturnType<typeof setTimeout> | undefined
  #inactive: ReturnType<typeof setTimeout> | undefined
  #lastSent = 0
  /** Bytes since the last flow control request. */
  #unrequested = 0
  /** Bytes that the pending flow control request covers. */
  #requested = 0
  /** Reply subject of the pending flow control request. */
  #flowControl: string | undefined
  #requests = 0

  constructor(name: string, config: ConsumerConfig, stream: Stream, services: ConsumerServices) {
    super(name, config, stream, services)
    this.#to = config.deliver_subject as string
    this.#queue = config.deliver_group
    this.#watchInactivity()
  }

  get deliverSubject(): string {
    return this.#to
  }

  get isBound(): boolean {
    return this.#bound
  }

  /** The interest has changed, or delivery may begin. */
  interestChanged(): void {
    const bound = this.services.port.hasInterest(this.#to, this.#queue)
    if (bound === this.#bound) return
    this.#bound = bound
    clearTimeout(this.#inactive)
    clearTimeout(this.#heartbeat)
    if (!bound) return this.#watchInactivity()
    // New subscribers do not answer earlier requests.
    this.#flowControl = undefined
    this.#unrequested = 0
    this.#requested = 0
    this.#lastSent = this.services.clock()
    this.#beat()
    this.pump()
  }

  /** The subscriber has answered a flow control request. */
  flowControlAnswered(subject: string): void {
    if (subject !== this.#flowControl) return
    this.#flowControl = undefined
    this.#requested = 0
    this.pump()
  }

  override close(): void {
    super.close()
    for (const timer of [this.#turn, this.#heartbeat, this.#inactive]) clearTimeout(timer)
  }

  protected override details(): object {
    return this.services.port.hasInterest(this.#to, this.#queue) ? { push_bound: true } : {}
  }

  protected override pump(): void {
    if (!this.#bound || this.#turn !== undefined) return
    let messages = 0
    let bytes = 0
    for (let next = this.peek(); next && !this.#isStalled; next = this.peek()) {
      if (messages >= TURN.messages || bytes >= TURN.bytes) return this.#pumpLater()
      const delivery = this.take(next)
      if (!delivery) continue
      this.services.port.send(this.#to, delivery.message, this.#queue)
      messages++
      bytes += delivery.size
      this.#control(delivery.size)
    }
    if (messages > 0) this.#lastSent = this.services.clock()
  }

  get #isStalled(): boolean {
    return this.config.flow_control === true && this.#unrequested + this.#requested >= WINDOW
  }

  #pumpLater(): void {
    this.#lastSent = this.services.clock()
    this.#turn = setTimeout(() => {
      this.#turn = undefined
      this.pump()
    }, 0)
  }

  /** Requests an answer for each quarter of the window. */
  #control(size: number): void {
    if (!this.config.flow_control) return
    this.#unrequested += size
    if (this.#flowControl !== undefined || this.#unrequested < WINDOW / 4) return
    this.#flowControl = `$JS.FC.${this.stream.config.name}.${this.name}.${(++this.#requests).toString(36)}`
    this.#requested = this.#unrequested
    this.#unrequested = 0
    const status = { code: 100, reason: 'FlowControl Request', reply: this.#flowControl }
    this.services.port.send(this.#to, statusMessage(this.#to, status), this.#queue)
  }

  #beat(): void {
    const interval = (this.config.idle_heartbeat ?? 0) / NS_PER_MS
    if (interval === 0) return
    const idle = this.services.clock() - this.#lastSent
    if (idle >= interval) {
      const { consumerSeq, streamSeq } = this.lastSequences
      const fields: Array<readonly [string, string | number]> = [
        ['Nats-Last-Consumer', consumerSeq],
        ['Nats-Last-Stream', streamSeq],
      ]
      // A lost request is answered from the heartbeat.
      if (this.#isStalled && this.#flowControl !== undefined) fields.push(['Nats-Consumer-Stalled', this.#flowControl])
      const status = { code: 100, reason: 'Idle Heartbeat', fields }
      this.services.port.send(this.#to, statusMessage(this.#to, status), this.#queue)
      this.#lastSent = this.services.clock()
    }
    const wait = idle >= interval ? interval : interval - idle
    this.#heartbeat = setTimeout(() => this.#beat(), Math.min(Math.max(wait, 1), MAX_TIMER))
  }

  #watchInactivity(): void {
    const threshold = this.config.inactive_threshold
    if (threshold === undefined) return
    this.#inactive = setTimeout(() => this.services.expired(), Math.min(threshold / NS_PER_MS, MAX_TIMER))
  }
}
