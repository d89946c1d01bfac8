/**
 * The port to a foreign broker: how a relay reads from it and writes to it. An adapter implements {@link ForeignOrigin},
 * {@link ForeignTarget} or both.
 *
 * Semantics that every adapter keeps:
 * - A message that was not settled comes again, here or at another relay.
 * - Messages of one lane come in the broker's order.
 * - A source or sink that lost its broker reports `failed` or rejects, and is closed. The relay opens another one.
 */
import type { HeaderFields } from '../../sdk/wire/headers.ts'

/** A message of a foreign broker, as it came. */
export interface Incoming {
  /** The unit of order: a partition of Kafka (`orders/0`), a queue. */
  readonly lane: string
  /** Stays the same when the message comes again. Undefined if the broker and the publisher gave none. */
  readonly id: string | undefined
  /** The place in the lane, ascending. Undefined where the broker counts none. */
  readonly position: number | undefined
  /** Kafka's key, RabbitMQ's routing key. */
  readonly key: Uint8Array | undefined
  /** Values as text. A name can occur more than once. */
  readonly headers: HeaderFields
  /** When it was published, in ms since 1970. */
  readonly time: number | undefined
  /** Null for a tombstone of Kafka. */
  readonly payload: Uint8Array | null
  /** Whether the broker says that it may have been delivered before. */
  readonly redelivered: boolean
}

/** Receives what a source brings. Its methods do not throw. */
export interface SourceHandler {
  /** New messages, in the order of their lanes. */
  messages(batch: readonly Incoming[]): void
  /** The lanes belong to another relay now. What is held of them is dropped; it comes again there. */
  lost(lanes: readonly string[]): void
  /** The source brings nothing more. Called at most once. */
  failed(error: Error): void
}

/** How a relay opens a source. */
export interface SourceOptions {
  /** The relay's name: all processes with the same name share the messages. */
  readonly relay: string
  /** Messages that may be held without being settled. */
  readonly window: number
  /** Bytes of payload that may be held without being settled. */
  readonly windowBytes: number
  readonly handler: SourceHandler
  /** Called with a sentence about what the broker cannot guarantee as it is configured. */
  readonly warn: (text: string) => void
}

/** An open source. */
export interface ForeignSource {
  /** Whether one relay at a time gets the messages of a lane, so that their order is kept over several relays. */
  readonly exclusive: boolean
  /** Changes when positions start again, such as the id of a topic that was deleted and made again. */
  readonly epoch: string
  /** Tells the broker that these are done. Resolves when it is sent. May be given messages of lanes that were lost. */
  settle(done: readonly Incoming[]): Promise<void>
  /** Asks for nothing more until `resume`. Messages on their way may still come. */
  pause(): void
  resume(): void
  /** Messages of the broker that are not settled. Undefined where the protocol cannot tell. */
  lag(): Promise<number | undefined>
  /** Gives back what is not settled. Never rejects. */
  close(): Promise<void>
}

/** Where messages come from: a topic, a queue. */
export interface ForeignOrigin {
  /** A name for this place that is the same in all processes: `kafka:orders`. */
  readonly place: string
  /** What the broker calls it, for AsyncAPI: the protocol, and bindings of the channel. */
  readonly described: ForeignDescription
  /** Whether each relay that reads it gets all of its messages, as Kafka's groups do. */
  readonly shared: boolean
  /** One clause on what a repetition needs to be recognized. */
  readonly identity: string
  /**
   * Resolves when messages can come.
   * @throws SpanwireError `broker-unavailable`, which is tried again; `broker-refused`, `invalid-argument`, `unsupported`,
   * which end the relay
   */
  openSource(options: SourceOptions): Promise<ForeignSource>
}

/** A message for a foreign broker. */
export interface Outgoing {
  /** The same for each repetition. */
  readonly id: string
  /** Kafka's key, RabbitMQ's routing key. */
  readonly key: Uint8Array | undefined
  readonly headers: HeaderFields
  /** In ms since 1970. */
  readonly time: number
  /** Null for a tombstone of Kafka. */
  readonly payload: Uint8Array | null
  readonly contentType: string
}

/** An open sink. */
export interface ForeignSink {
  /**
   * Resolves when the broker has confirmed the message. Messages that are sent one after the other keep their order.
   * @throws SpanwireError (as rejection) `broker-refused`, `payload-too-large` for a message that the broker does not take;
   * anything else: it may or may not have arrived
   */
  send(one: Outgoing): Promise<void>
  /** Never rejects. */
  close(): Promise<void>
}

/** Where messages go: a topic, an exchange, a queue. */
export interface ForeignTarget {
  /** See {@link ForeignOrigin.place}. */
  readonly place: string
  readonly described: ForeignDescription
  /** @throws SpanwireError the errors of {@link ForeignOrigin.openSource} */
  openSink(): Promise<ForeignSink>
}

/** A place of a foreign broker as AsyncAPI describes it. */
export interface ForeignDescription {
  /** `kafka`, `amqp` or `stomp`. */
  readonly protocol: string
  /** `host:port` of the brokers. */
  readonly host: string
  /** The name of the topic, exchange or queue. */
  readonly address: string
  /** Bindings of the channel by the protocol's AsyncAPI binding. */
  readonly channel?: Readonly<Record<string, unknown>>
}
