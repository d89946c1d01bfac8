/**
 * The port to a foreign broker. An adapter implements {@link ForeignOrigin} to read, {@link ForeignTarget} to write, or both.
 *
 * Rules for every adapter:
 * - A message that is not settled is delivered again, to this relay or another one.
 * - Messages of one lane are delivered in the broker's order.
 * - A source that lost its broker calls `failed`, and a sink rejects. The relay closes it and opens another one.
 */
import type { HeaderFields } from '../../sdk/wire/headers.ts'

/** A message of a foreign broker. */
export interface Incoming {
  /** The unit of order: a partition of Kafka (`orders/0`) or a queue. */
  readonly lane: string
  /** The same for a redelivery. Undefined if neither the broker nor the publisher has set one. */
  readonly id: string | undefined
  /** The position in the lane, ascending. Undefined if the broker has none. */
  readonly position: number | undefined
  /** Kafka's key, RabbitMQ's routing key. */
  readonly key: Uint8Array | undefined
  /** Values as text. A name can occur more than once. */
  readonly headers: HeaderFields
  /** The time of publishing, in ms since 1970. Undefined if the broker has none. */
  readonly time: number | undefined
  /** Null for a tombstone of Kafka. */
  readonly payload: Uint8Array | null
  /** Whether the broker marked it as a possible redelivery. */
  readonly redelivered: boolean
}

/** Receives the messages of a source. Its methods do not throw. */
export interface SourceHandler {
  /** Called with new messages, in the order of their lanes. */
  messages(batch: readonly Incoming[]): void
  /** Called when another relay has taken over lanes. Their messages in memory are dropped, as that relay receives them. */
  lost(lanes: readonly string[]): void
  /** Called when the source has ended. At most once. */
  failed(error: Error): void
}

/** Options of {@link ForeignOrigin.openSource}. */
export interface SourceOptions {
  /** The relay's name. All processes with this name share the messages. */
  readonly relay: string
  /** Limit of messages in memory that are not settled. */
  readonly window: number
  /** Limit of payload bytes in memory that are not settled. */
  readonly windowBytes: number
  /** Receives the messages. */
  readonly handler: SourceHandler
  /** Called with a sentence about a guarantee that the configuration of the broker does not allow. */
  readonly warn: (text: string) => void
}

/** An open source. */
export interface ForeignSource {
  /** Whether one relay at a time gets the messages of a lane. If so, several relays keep the order. */
  readonly exclusive: boolean
  /** Changes when positions restart, such as the id of a topic that was deleted and created again. */
  readonly epoch: string
  /** Acknowledges messages. Resolves when the acknowledgement is sent. Messages of lost lanes are ignored. */
  settle(done: readonly Incoming[]): Promise<void>
  /** Stops requesting messages until `resume`. Messages on their way may still arrive. */
  pause(): void
  /** Requests messages again. */
  resume(): void
  /** Returns the number of messages of the broker that are not settled. Undefined if the protocol has no such count. */
  lag(): Promise<number | undefined>
  /** Closes the source. The broker delivers unsettled messages again. Never rejects. */
  close(): Promise<void>
}

/** A place to read from: a topic or a queue. */
export interface ForeignOrigin {
  /** The name of this place, such as `kafka:orders`. The same in all processes. */
  readonly place: string
  /** The description for AsyncAPI. */
  readonly described: ForeignDescription
  /** Whether each relay with another name gets all messages, as with groups of Kafka. */
  readonly shared: boolean
  /** A clause that names the identity of a message, for `RelayStatus.guarantee`. */
  readonly identity: string
  /**
   * Opens a source. Resolves when messages can arrive.
   * @throws SpanwireError (as rejection) `broker-unavailable`, after which the relay tries again. `broker-refused`,
   * `invalid-argument`, `unsupported` and `authentication-failed` end the relay
   */
  openSource(options: SourceOptions): Promise<ForeignSource>
}

/** A message for a foreign broker. */
export interface Outgoing {
  /** The event's id. The same for each repetition. */
  readonly id: string
  /** Kafka's key, RabbitMQ's routing key. */
  readonly key: Uint8Array | undefined
  /** Headers of the message. */
  readonly headers: HeaderFields
  /** The event's time, in ms since 1970. */
  readonly time: number
  /** Null for a tombstone of Kafka. */
  readonly payload: Uint8Array | null
  /** Media type of the payload. */
  readonly contentType: string
}

/** An open sink. */
export interface ForeignSink {
  /**
   * Sends a message. Resolves when the broker has confirmed it. Messages arrive in the order of the calls.
   * @throws SpanwireError (as rejection) `broker-refused`, `payload-too-large` for a message that the broker refuses.
   * After other errors the message may be stored
   */
  send(one: Outgoing): Promise<void>
  /** Closes the sink. Never rejects. */
  close(): Promise<void>
}

/** A place to write to: a topic, an exchange or a queue. */
export interface ForeignTarget {
  /** See {@link ForeignOrigin.place}. */
  readonly place: string
  /** See {@link ForeignOrigin.described}. */
  readonly described: ForeignDescription
  /** Opens a sink. @throws SpanwireError (as rejection) the errors of {@link ForeignOrigin.openSource} */
  openSink(): Promise<ForeignSink>
}

/** The description of a place for AsyncAPI. */
export interface ForeignDescription {
  /** `kafka`, `amqp` or `stomp`. */
  readonly protocol: string
  /** `host:port` of the brokers. */
  readonly host: string
  /** The name of the topic, exchange or queue. */
  readonly address: string
  /** Bindings of the channel, by protocol. */
  readonly channel?: Readonly<Record<string, unknown>>
}
