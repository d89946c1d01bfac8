import type { SpanwireErrorCode } from '../wire/errors.ts'
import type { HeaderFields } from '../wire/header-fields.ts'
import type { ServerMessage } from '../wire/server-reader.ts'

/** A message from the broker. */
export type TransportMessage = ServerMessage

/**
 * State of a connection.
 *
 * - `connecting`: the first connection is being made
 * - `open`: connected to NATS
 * - `reconnecting`: the connection was lost and is being restored. `reason` contains the error
 * - `closed`: closed permanently
 */
export type ConnectionState = 'connecting' | 'open' | 'reconnecting' | 'closed'

/** State of a connection, and its reason. */
export interface ConnectionStatus {
  /** The state. */
  readonly state: ConnectionState
  /** The error that keeps the connection from being open. Undefined while it is open, and before the first error. */
  readonly reason?: { readonly code: SpanwireErrorCode; readonly message: string }
}

/** A subscription of a transport. */
export interface TransportSubscription {
  /**
   * Resolves once the server has registered the subscription. Messages published afterwards are delivered.
   * Rejects if the subscription is refused or ends first. You do not have to handle its rejection.
   */
  readonly ready: Promise<void>
  /** Ends the subscription immediately. Messages on their way are dropped. Idempotent. */
  unsubscribe(): void
  /** Ends the subscription after the messages that are on their way were delivered. */
  drain(): Promise<void>
}

/** Receives the messages of a subscription. Its functions must not throw. */
export interface SubscriptionHandler {
  /** Called with each message, in the order of the broker. */
  message(message: TransportMessage): void
  /** Called at most once, if the subscription is refused (`permission-denied`) or the transport is closed. */
  ended(error: Error): void
}

/** Options of {@link Transport.publish}. */
export interface TransportPublishOptions {
  /** Reply subject. */
  readonly reply?: string | undefined
  /** Headers of the message. */
  readonly headers?: HeaderFields
  /** Rejects with `aborted`. A message that was sent before is not recalled. */
  readonly signal?: AbortSignal | undefined
}

/** Options of {@link Transport.request}. */
export interface TransportRequestOptions {
  /** Headers of the request. */
  readonly headers?: HeaderFields
  /** Time for the answer, in ms. */
  readonly timeout: number
  /** Rejects with `aborted`. */
  readonly signal?: AbortSignal | undefined
}

/**
 * The connection of a bus to a server: the port of the SDK.
 *
 * Every implementation has these semantics, which test/conformance/transport.ts verifies:
 * - `publish` resolves when the server has processed the message, and rejects when the server refused it. Messages that
 *   are published while the connection is not open wait in a bounded queue, in order.
 * - Subscriptions continue after a reconnect. Messages of a subscription are delivered in the order of the broker.
 * - After `close`, all methods reject with `connection-closed`.
 */
export interface Transport {
  /** Whether the server is a bridge, which replays streams itself. Undefined before the first connection. */
  readonly edge: boolean | undefined
  /** The current status. */
  readonly status: ConnectionStatus
  /** Maximum size of a message, including headers, in bytes. Undefined if it is unknown. */
  readonly maxPayload?: number | undefined
  /**
   * Level of JetStream's API, `api_lvl` of INFO. Undefined before the first connection, and for nats-server before 2.11.
   * Source: NATS ADR-44.
   */
  readonly apiLevel?: number | undefined
  /** Whether messages of concurrent publishes may arrive in another order. */
  readonly unordered?: boolean
  /** Calls `listener` on every change of status, not for the current one. Returns an `unsubscribe` function. */
  onStatus(listener: (status: ConnectionStatus) => void): () => void
  /**
   * Publishes a message.
   * @throws SpanwireError (as rejection) `permission-denied`, `payload-too-large`, `offline-queue-full`,
   * `connection-lost`, `connection-closed`, `aborted`
   */
  publish(subject: string, payload: Uint8Array, options?: TransportPublishOptions): Promise<void>
  /**
   * Subscribes to a subject filter.
   * @throws SpanwireError `invalid-subject`, `connection-closed`, `unsupported` if this transport cannot receive
   */
  subscribe(
    filter: string,
    handler: SubscriptionHandler,
    options?: { readonly queue?: string | undefined },
  ): TransportSubscription
  /**
   * Publishes a request. Resolves with the first answer, including answers that contain an error.
   * @throws SpanwireError (as rejection) `no-responders`, `timeout`, and the errors of `publish`
   */
  request(subject: string, payload: Uint8Array, options: TransportRequestOptions): Promise<TransportMessage>
  /** Resolves when the server has processed all messages sent before. */
  flush(): Promise<void>
  /** Ends all subscriptions after their messages were delivered, sends the offline queue, and closes. */
  drain(): Promise<void>
  /** Closes permanently. Idempotent. */
  close(): Promise<void>
}
