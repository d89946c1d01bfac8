/** A message from or to the broker. */
export interface UpstreamMessage {
  /** Subject at the broker. */
  readonly subject: string
  /** Reply subject of a request. */
  readonly reply?: string | undefined
  /** The raw `NATS/1.0` header block. */
  readonly headers?: Uint8Array | undefined
  /** The payload. It may be a view of a larger buffer: copy it to keep it. */
  readonly payload: Uint8Array
}

/** State of the connection to the broker. `closed` is final. */
export type UpstreamState = 'connecting' | 'open' | 'reconnecting' | 'closed'

/** Properties of the broker. Known once the upstream was open. */
export interface UpstreamInfo {
  /** Name for logs, such as `nats-server 2.15.1` or `embedded`. */
  readonly name: string
  /** Version of nats-server, such as `2.15.1`. Undefined for other brokers. */
  readonly version?: string
  /** Level of JetStream's API, as in nats-server's INFO. Undefined for older servers. */
  readonly apiLevel?: number
  /** Whether JetStream is available to the upstream's user. If not, publishes do not look for a stream. */
  readonly jetstream?: boolean
  /** Largest header block and payload together, in bytes. */
  readonly maxPayload: number
}

/**
 * Ends a subscription. With `now`, the default, nothing more is delivered. With `drain`, messages that the broker sent
 * before are still delivered: in a queue group no other member gets them. With `after`, the broker ends it once it has sent
 * that many messages in total; if it has sent more, these are still delivered. Idempotent.
 */
export type EndSubscription = (how?: 'now' | 'drain' | { readonly after: number }) => void

/**
 * The port from the bridge to a broker. All implementations pass test/conformance/upstream.ts:
 *
 * - An upstream connects in the background, reconnects without end, and restores subscriptions before it is `open` again.
 * - The broker processes `subscribe` and `publish` in the order of the calls. A subscription gets messages that are
 *   published after it.
 * - A request without responders gets a 503 status message on its reply subject.
 * - `deliver` is never called within `publish` or `subscribe`, nor after the end of its subscription. An error that it
 *   throws does not affect other subscriptions.
 */
export interface Upstream {
  /** Current state. */
  readonly state: UpstreamState
  /** Properties of the broker. */
  readonly info: UpstreamInfo
  /**
   * Loads dependencies, such as the package of a client. `serve` waits for it.
   * @throws SpanwireError (as rejection) `unsupported` for a fault that no attempt to connect can end
   */
  prepare?(): Promise<void>
  /** Calls `listener` on every change of `state`. Returns a function that removes it. */
  onState(listener: (state: UpstreamState) => void): () => void
  /**
   * Subscribes to a filter; with `queue` as a member of that queue group. `deliver` must not throw.
   * @throws SpanwireError `invalid-subject`, `connection-closed`
   */
  subscribe(filter: string, queue: string | undefined, deliver: (message: UpstreamMessage) => void): EndSubscription
  /**
   * Publishes one message.
   * @param user sender of the message, because one user must not fill the buffer of all. Undefined: the bridge itself
   * @throws SpanwireError `upstream-unavailable` while the broker is unavailable and the buffer is full;
   * `payload-too-large`, `invalid-subject`, `connection-closed`
   */
  publish(message: UpstreamMessage, user?: string): void
  /**
   * Resolves once the broker has processed all earlier calls: it has registered subscriptions, and has delivered messages
   * to subscriptions of this upstream.
   * @throws SpanwireError (as rejection) `upstream-unavailable` if the state is not `open` or the connection is lost;
   * `connection-closed`
   */
  flush(): Promise<void>
  /**
   * One more connection to the same broker, which does not get messages that it publishes. The caller closes it. Without this
   * method the bridge refuses queue groups to clients with `echo: false`.
   */
  branch?(): Upstream
  /** Closes the connection. Idempotent. */
  close(): Promise<void>
}
