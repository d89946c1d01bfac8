/** A message from the broker to the hub, as bytes: the hub never looks inside. */
export interface UpstreamMessage {
  readonly subject: string
  readonly reply?: string | undefined
  /** The raw `NATS/1.0` header block. */
  readonly headers?: Uint8Array | undefined
  readonly payload: Uint8Array
}

/** Where the connection to the broker is. */
export type UpstreamState = 'connecting' | 'open' | 'reconnecting' | 'closed'

/** What the broker said of itself. Known once the upstream was open. */
export interface UpstreamInfo {
  /** For people and logs, such as `nats-server 2.15.1` or `embedded`. */
  readonly name: string
  /** Of nats-server, such as `2.15.1`: what it can do. Undefined for others. */
  readonly version?: string
  /** Whether it says that it has JetStream. Who only publishes must not wait for the answer of one that isn't there. */
  readonly jetstream?: boolean
  /** Largest header block and payload together, in bytes. */
  readonly maxPayload: number
}

/**
 * Ends a subscription: `now`, the default, or by `drain`: at the broker at once, but what the broker had sent or queued
 * for it before is still delivered. In a queue group those messages were chosen for nobody else. Idempotent.
 */
export type EndSubscription = (how?: 'now' | 'drain') => void

/**
 * How the bridge reaches a broker: the port at the far end.
 *
 * Semantics that every implementation keeps (test/conformance/upstream.ts holds them to it):
 * - It dials by itself, reconnects for ever, and restores subscriptions before it says `open` again.
 * - `subscribe` and `publish` are carried out in the order of the calls: a message published after a subscribe
 *   is seen by it.
 * - A publish with a reply subject that nobody listens to is answered with a 503 status message on that subject.
 * - `deliver` is never called from within `publish` or `subscribe`, nor after the subscription's end. If it throws all
 *   the same, that reaches nobody else.
 */
export interface Upstream {
  readonly state: UpstreamState
  readonly info: UpstreamInfo
  /** Calls `listener` on every change of state. Returns a function that ends it. */
  onState(listener: (state: UpstreamState) => void): () => void
  /**
   * One more subscription; with `queue` as a member of that queue group. `deliver` must not throw.
   * @throws SpanwireError `invalid-subject`, `connection-closed`
   */
  subscribe(filter: string, queue: string | undefined, deliver: (message: UpstreamMessage) => void): EndSubscription
  /**
   * Hands one message to the broker.
   * @throws SpanwireError `upstream-unavailable` when the broker is out of reach and the bounded buffer for that
   * time is full; `payload-too-large`, `invalid-subject`, `connection-closed`
   */
  publish(message: UpstreamMessage): void
  /**
   * Resolves when the broker has processed all that was asked before: interest is then known, and what was published
   * before to subscriptions of this upstream has been delivered.
   * @throws SpanwireError (as rejection) `upstream-unavailable` when the state is not `open`, or the connection is lost
   * first; `connection-closed`
   */
  flush(): Promise<void>
  /** Closes for good. Idempotent. */
  close(): Promise<void>
}
