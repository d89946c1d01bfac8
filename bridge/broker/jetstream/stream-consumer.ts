import { MAX_TIMER } from '../../../sdk/kit/max-timer.ts'
import { encodeHeaders } from '../../../sdk/wire/headers.ts'
import type { UpstreamMessage } from '../../upstream/upstream.ts'
import { AckTracker } from './ack-tracker.ts'
import { type BrokerPort, NO_BYTES } from './broker-port.ts'
import { type ConsumerConfig, filtersOf } from './consumer-config.ts'
import type { Entry } from './entry-log.ts'
import { asFields, integer } from './fields.ts'
import { Filter } from './filter.ts'
import { joinHeaders } from './join-headers.ts'
import { toTimestamp } from './status-message.ts'
import type { Stream, StreamObserver } from './stream.ts'
import type { StoreRecord } from './stream-store.ts'

/** Services of the broker that a consumer uses. */
export interface ConsumerServices {
  readonly port: BrokerPort
  readonly clock: () => number
  /** The consumer was inactive for longer than its threshold. */
  expired(): void
}

/** A message for a subscriber. */
export interface Delivery {
  readonly message: UpstreamMessage
  /** Size of subject, reply, headers and payload, in bytes. */
  readonly size: number
}

const NS_PER_MS = 1_000_000
const decoder = new TextDecoder()

/**
 * The state of a consumer: its next message, and its delivered ones. {@link PushConsumer} and {@link PullConsumer} deliver
 * them.
 */
export abstract class Consumer implements StreamObserver {
  readonly name: string
  readonly created: string
  protected readonly stream: Stream
  protected readonly services: ConsumerServices
  readonly #filter: Filter
  readonly #acks: AckTracker | undefined
  #config: ConsumerConfig
  /** With `last_per_subject`: messages to deliver first. */
  #lastPerSubject: Entry[]
  /** The first sequence that may be delivered after them. */
  #next: number
  #pending: number
  #delivered: { consumerSeq: number; streamSeq: number; time: number }
  #floor: { consumerSeq: number; streamSeq: number; time: number }
  #ackTimer: ReturnType<typeof setTimeout> | undefined
  #ackAt = Number.POSITIVE_INFINITY

  constructor(name: string, config: ConsumerConfig, stream: Stream, services: ConsumerServices) {
    this.name = name
    this.created = toTimestamp(services.clock())
    this.stream = stream
    this.services = services
    this.#config = config
    this.#filter = new Filter(filtersOf(config), stream.knownSubjects)
    stream.expire(services.clock())
    const perSubject = config.deliver_policy === 'last_per_subject'
    this.#lastPerSubject = perSubject ? stream.index.lastPerSubject(this.#filter) : []
    this.#next = this.#start()
    this.#pending = this.#lastPerSubject.length + stream.index.count(this.#next, this.#filter)
    const before = Math.max(Math.min(this.#lastPerSubject[0]?.seq ?? this.#next, this.#next) - 1, 0)
    this.#delivered = { consumerSeq: 0, streamSeq: before, time: 0 }
    this.#floor = { ...this.#delivered }
    if (config.ack_policy !== 'none')
      this.#acks = new AckTracker((config.ack_wait ?? 0) / NS_PER_MS, config.max_deliver)
    stream.observers.add(this)
  }

  get config(): ConsumerConfig {
    return this.#config
  }

  /** Replaces the configuration. Only fields without effect on delivery may differ. */
  describe(config: ConsumerConfig): void {
    this.#config = config
  }

  /** Delivers messages that can be delivered now. */
  protected abstract pump(): void
  /** Fields of INFO for this kind of consumer. */
  protected abstract details(): object

  info(): object {
    const { consumerSeq, streamSeq, time } = this.#delivered
    const floor = this.#acks ? this.#floor : this.#delivered
    return {
      stream_name: this.stream.config.name,
      name: this.name,
      created: this.created,
      config: this.#config,
      delivered: { consumer_seq: consumerSeq, stream_seq: streamSeq, ...lastActive(time) },
      ack_floor: {
        consumer_seq: floor.consumerSeq,
        stream_seq: floor.streamSeq,
        ...(this.#acks && lastActive(floor.time)),
      },
      num_ack_pending: this.#acks?.size ?? 0,
      num_redelivered: this.#acks?.redelivered ?? 0,
      num_waiting: 0,
      num_pending: this.#pending,
      ...this.details(),
      ts: toTimestamp(this.services.clock()),
    }
  }

  added(entry: Entry): void {
    if (this.#filter.matches && !this.#filter.matches(entry.subject)) return
    // A limit of the stream may have removed it already.
    if (entry.removed) return
    this.#pending++
    this.pump()
  }

  removed({ seq, subject }: Entry): void {
    const isFirst = this.#lastPerSubject.some((entry) => entry.seq === seq)
    if (isFirst) this.#lastPerSubject = this.#lastPerSubject.filter((entry) => entry.seq !== seq)
    else if (seq < this.#next || (this.#filter.matches && !this.#filter.matches(subject))) return
    this.#pending--
  }

  /** Handles an acknowledgement: `+ACK`, `-NAK`, `+WPI`, `+TERM` or `+NXT`. */
  acknowledged(seq: number, payload: Uint8Array): void {
    const word = decoder.decode(payload)
    const now = this.services.clock()
    const acks = this.#acks
    if (!acks) return
    if (word === '' || word.startsWith('+ACK') || word.startsWith('+NXT') || word.startsWith('+TERM')) {
      if (this.#config.ack_policy === 'all' && !word.startsWith('+TERM')) acks.settleUpTo(seq)
      else acks.settle(seq)
      const { consumerSeq, streamSeq } = this.#delivered
      const oldest = acks.oldest
      this.#floor = oldest
        ? { consumerSeq: oldest.consumerSeq - 1, streamSeq: oldest.seq - 1, time: now }
        : { consumerSeq, streamSeq, time: now }
    } else if (word.startsWith('-NAK')) {
      acks.refuse(seq, now, readDelay(word))
      acks.expire(now)
    } else if (word.startsWith('+WPI')) {
      acks.extend(seq, now)
    }
    this.#watchAcks()
    this.pump()
  }

  close(): void {
    this.stream.observers.delete(this)
    clearTimeout(this.#ackTimer)
  }

  protected get lastSequences(): { readonly consumerSeq: number; readonly streamSeq: number } {
    return this.#delivered
  }

  /** Whether there is a message to deliver now. */
  protected get hasNext(): boolean {
    return this.peek() !== undefined
  }

  /** The next message. {@link take} delivers it. @returns `again` for a redelivery */
  protected peek(): { readonly entry: Entry; readonly again: boolean } | undefined {
    const acks = this.#acks
    for (let due = acks?.due; acks && due !== undefined; due = acks.due) {
      const entry = this.stream.index.next(due, this.#filter)
      if (entry?.seq === due) return { entry, again: true }
      acks.settle(due)
    }
    if (acks && acks.size >= (this.#config.max_ack_pending ?? Number.POSITIVE_INFINITY)) return undefined
    const entry = this.#lastPerSubject[0] ?? this.stream.index.next(this.#next, this.#filter)
    return entry && { entry, again: false }
  }

  /** Size of the next message, in bytes. */
  protected weigh({ entry }: { readonly entry: Entry }): number {
    const { size } = entry
    // As nats-server, with subject and reply. The length of the reply is approximate.
    return size + this.stream.config.name.length + this.name.length + 50
  }

  /** Counts the message of {@link peek} as delivered, and builds it. Undefined if it was removed in the meantime. */
  protected take({ entry, again }: { readonly entry: Entry; readonly again: boolean }): Delivery | undefined {
    if (again) this.#acks?.takeDue()
    else {
      if (this.#lastPerSubject[0] === entry) this.#lastPerSubject.shift()
      else this.#next = entry.seq + 1
      this.#pending--
    }
    const record = this.stream.read(entry.seq)
    if (!record) return undefined
    const now = this.services.clock()
    const consumerSeq = this.#delivered.consumerSeq + 1
    const deliveries = this.#acks?.delivered(entry.seq, consumerSeq, now) ?? 1
    this.#delivered = { consumerSeq, streamSeq: Math.max(this.#delivered.streamSeq, entry.seq), time: now }
    this.#watchAcks()
    const position = `${deliveries}.${entry.seq}.${consumerSeq}.${entry.time}000000.${this.#pending}`
    const reply = `$JS.ACK.${this.stream.config.name}.${this.name}.${position}`
    const message = { subject: entry.subject, reply, ...this.#contents(record) }
    const size = entry.subject.length + reply.length + (message.headers?.length ?? 0) + message.payload.length
    return { message, size }
  }

  #contents({ headers, payload }: StoreRecord): Pick<UpstreamMessage, 'headers' | 'payload'> {
    if (!this.#config.headers_only) return { payload, ...(headers && { headers }) }
    const size = encodeHeaders([['Nats-Msg-Size', String(payload.length)]])
    return { headers: headers ? joinHeaders(headers, size) : size, payload: NO_BYTES }
  }

  #start(): number {
    const { deliver_policy, opt_start_seq = 1, opt_start_time = '' } = this.#config
    const { stream } = this
    if (deliver_policy === 'by_start_sequence') return Math.max(opt_start_seq, stream.firstSeq, 1)
    if (deliver_policy === 'by_start_time')
      return stream.index.since(Date.parse(opt_start_time))?.seq ?? stream.lastSeq + 1
    if (deliver_policy === 'last') return stream.index.last(this.#filter)?.seq ?? stream.lastSeq + 1
    if (deliver_policy === 'all') return Math.max(stream.firstSeq, 1)
    return stream.lastSeq + 1
  }

  /** One timer, for the first message that is due for redelivery. */
  #watchAcks(): void {
    const at = this.#acks?.nextDeadline ?? Number.POSITIVE_INFINITY
    if (at === this.#ackAt) return
    clearTimeout(this.#ackTimer)
    this.#ackAt = at
    if (at === Number.POSITIVE_INFINITY) return
    const wait = Math.min(Math.max(at - this.services.clock(), 0), MAX_TIMER)
    this.#ackTimer = setTimeout(() => {
      this.#ackAt = Number.POSITIVE_INFINITY
      this.#acks?.expire(this.services.clock())
      this.#watchAcks()
      this.pump()
    }, wait)
  }
}

function lastActive(time: number): { last_active?: string } {
  return time === 0 ? {} : { last_active: toTimestamp(time) }
}

/** The delay of `-NAK {"delay": ns}`, in ms. */
function readDelay(word: string): number {
  try {
    return Math.max(integer(asFields(JSON.parse(word.slice(4))), 'delay') / NS_PER_MS, 0)
  } catch {
    return 0
  }
}
