import { MAX_TIMER } from '../../../sdk/kit/max-timer.ts'
import { Consumer, type ConsumerSurroundings } from './consumer.ts'
import type { ConsumerConfig } from './consumer-config.ts'
import { statusMessage } from './status.ts'
import type { Stream } from './stream.ts'

const NS_PER_MS = 1_000_000
/** So much is sent in one go; then others have their turn. */
const TURN = { messages: 256, bytes: 1_048_576 }
/** With flow control, so many bytes may be on their way before the subscriber has answered. */
const WINDOW = 4 * 1_048_576

/** Sends to its deliver subject, as long as somebody subscribes to it. */
export class PushConsumer extends Consumer {
  readonly #to: string
  readonly #queue: string | undefined
  #bound = false
  #turn: ReturnType<typeof setTimeout> | undefined
  #heartbeat: ReturnType<typeof setTimeout> | undefined
  #inactive: ReturnType<typeof setTimeout> | undefined
  #lastSent = 0
  /** Bytes since the last question was sent, and what that question covers. */
  #unasked = 0
  #asked = 0
  #question: string | undefined
  #questions = 0

  constructor(name: string, config: ConsumerConfig, stream: Stream, around: ConsumerSurroundings) {
    super(name, config, stream, around)
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

  /** Somebody subscribed, or unsubscribed; or it may begin. */
  interestChanged(): void {
    const bound = this.around.wire.hears(this.#to, this.#queue)
    if (bound === this.#bound) return
    this.#bound = bound
    clearTimeout(this.#inactive)
    clearTimeout(this.#heartbeat)
    if (!bound) return this.#watchInactivity()
    // Whoever comes now knows nothing of what was asked before.
    this.#question = undefined
    this.#unasked = 0
    this.#asked = 0
    this.#lastSent = this.around.clock()
    this.#beat()
    this.pump()
  }

  /** The subscriber answered the question of flow control that has this subject. */
  flowAnswered(subject: string): void {
    if (subject !== this.#question) return
    this.#question = undefined
    this.#asked = 0
    this.pump()
  }

  override close(): void {
    super.close()
    for (const timer of [this.#turn, this.#heartbeat, this.#inactive]) clearTimeout(timer)
  }

  protected override details(): object {
    return this.around.wire.hears(this.#to, this.#queue) ? { push_bound: true } : {}
  }

  protected override pump(): void {
    if (!this.#bound || this.#turn !== undefined) return
    let messages = 0
    let bytes = 0
    for (let next = this.peek(); next && !this.#isStalled; next = this.peek()) {
      if (messages >= TURN.messages || bytes >= TURN.bytes) return this.#goOnLater()
      const delivery = this.take(next)
      if (!delivery) continue
      this.around.wire.send(this.#to, delivery.message, this.#queue)
      messages++
      bytes += delivery.size
      this.#control(delivery.size)
    }
    if (messages > 0) this.#lastSent = this.around.clock()
  }

  get #isStalled(): boolean {
    return this.config.flow_control === true && this.#unasked + this.#asked >= WINDOW
  }

  #goOnLater(): void {
    this.#lastSent = this.around.clock()
    this.#turn = setTimeout(() => {
      this.#turn = undefined
      this.pump()
    }, 0)
  }

  /** Asks the subscriber now and then whether it has come so far. */
  #control(size: number): void {
    if (!this.config.flow_control) return
    this.#unasked += size
    if (this.#question !== undefined || this.#unasked < WINDOW / 4) return
    this.#question = `$JS.FC.${this.stream.config.name}.${this.name}.${(++this.#questions).toString(36)}`
    this.#asked = this.#unasked
    this.#unasked = 0
    this.around.wire.send(
      this.#to,
      statusMessage(this.#to, 100, 'FlowControl Request', [], this.#question),
      this.#queue,
    )
  }

  #beat(): void {
    const interval = (this.config.idle_heartbeat ?? 0) / NS_PER_MS
    if (interval === 0) return
    const idle = this.around.clock() - this.#lastSent
    if (idle >= interval) {
      const { consumerSeq, streamSeq } = this.lastSequences
      const fields: Array<readonly [string, string | number]> = [
        ['Nats-Last-Consumer', consumerSeq],
        ['Nats-Last-Stream', streamSeq],
      ]
      // The question may have been lost; it is answered from here too.
      if (this.#isStalled && this.#question !== undefined) fields.push(['Nats-Consumer-Stalled', this.#question])
      this.around.wire.send(this.#to, statusMessage(this.#to, 100, 'Idle Heartbeat', fields), this.#queue)
      this.#lastSent = this.around.clock()
    }
    const wait = idle >= interval ? interval : interval - idle
    this.#heartbeat = setTimeout(() => this.#beat(), Math.min(Math.max(wait, 1), MAX_TIMER))
  }

  #watchInactivity(): void {
    const threshold = this.config.inactive_threshold
    if (threshold === undefined) return
    this.#inactive = setTimeout(() => this.around.expired(), Math.min(threshold / NS_PER_MS, MAX_TIMER))
  }
}
