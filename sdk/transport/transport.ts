import type { SpanwireErrorCode } from '../wire/errors.ts'
import type { HeaderFields } from '../wire/header-fields.ts'
import type { ServerMessage } from '../wire/server-reader.ts'

/** A message as it came from the broker. */
export type TransportMessage = ServerMessage

/**
 * Where a connection is.
 *
 * - `connecting`: the first connection is being made
 * - `open`: NATS is within reach
 * - `reconnecting`: there was a connection, and there will be one again; `reason` says what went wrong
 * - `closed`: for good
 */
export type ConnectionState = 'connecting' | 'open' | 'reconnecting' | 'closed'

/** The state of a connection and why it is so. */
export interface ConnectionStatus {
  readonly state: ConnectionState
  /** Why the connection is not open; undefined while it is, or while nothing went wrong. */
  readonly reason?: { readonly code: SpanwireErrorCode; readonly message: string }
}

/** One subscription of a transport. */
export interface TransportSubscription {
  /**
   * Resolves when the broker has the interest: whatever is published after that arrives here.
   * Rejects if the subscription is refused or ends first. Never an unhandled rejection.
   */
  readonly ready: Promise<void>
  /** Ends it at once; messages on their way are dropped. Idempotent. */
  unsubscribe(): void
  /** Ends it after the messages that are on their way were delivered. */
  drain(): Promise<void>
}

/** Who hears of a subscription's messages and of its end. Neither may throw. */
export interface SubscriptionHandler {
  message(message: TransportMessage): void
  /** The subscription ended by itself: refused (`permission-denied`), or the transport closed. Called at most once. */
  ended(error: Error): void
}

export interface TransportPublishOptions {
  readonly reply?: string | undefined
  readonly headers?: HeaderFields
  readonly signal?: AbortSignal | undefined
}

export interface TransportRequestOptions {
  readonly headers?: HeaderFields
  /** How long to wait for the answer, in ms. */
  readonly timeout: number
  readonly signal?: AbortSignal | undefined
}

/**
 * How the SDK reaches subjects: the port at the client's end.
 *
 * Semantics that every implementation keeps (test/conformance/transport.ts holds them to it):
 * - `publish` resolves when the server has taken the message and rejects when it was refused. What is published
 *   while the connection is not open waits in a bounded queue, in order.
 * - Subscriptions outlive reconnects. Messages of one subscription arrive in the order the broker has them.
 * - After `close` everything rejects with `connection-closed`.
 */
export interface Transport {
  /** Whether a bridge is at the other end (it replays streams by itself); undefined before the first connection. */
  readonly edge: boolean | undefined
  /** The current status. */
  readonly status: ConnectionStatus
  /** The largest message that the server takes, headers included, in bytes. Undefined if it is unknown. */
  readonly maxPayload?: number | undefined
  /** Calls `listener` on every change of status, not for the current one. Returns a function that ends it. */
  onStatus(listener: (status: ConnectionStatus) => void): () => void
  /**
   * @throws SpanwireError (as rejection) `permission-denied`, `payload-too-large`, `offline-queue-full`,
   * `connection-lost`, `connection-closed`, `aborted`
   */
  publish(subject: string, payload: Uint8Array, options?: TransportPublishOptions): Promise<void>
  /** @throws SpanwireError `unsupported` if this transport has no way to receive */
  subscribe(
    filter: string,
    handler: SubscriptionHandler,
    options?: { readonly queue?: string | undefined },
  ): TransportSubscription
  /**
   * Resolves with the first answer, whatever it says.
   * @throws SpanwireError (as rejection) `no-responders`, `timeout`, and what `publish` throws
   */
  request(subject: string, payload: Uint8Array, options: TransportRequestOptions): Promise<TransportMessage>
  /** Resolves when the server has processed everything sent before. */
  flush(): Promise<void>
  /** Ends all subscriptions after their messages were delivered, sends what waits, then closes. */
  drain(): Promise<void>
  /** Closes for good. Idempotent. */
  close(): Promise<void>
}
