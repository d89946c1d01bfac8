import type { Identity } from '../auth/identity.ts'
import type { ClientName } from './connection-stats.ts'

/** What CONNECT settles about a connection, beside who it is. */
export interface ClientFlags {
  readonly verbose: boolean
  /** Whether the client wants to hear what it published itself. */
  readonly echo: boolean
  /** Whether the client understands HMSG. */
  readonly headers: boolean
  /** Whether the client wants a 503 status for a request that nobody listens to. */
  readonly noResponders: boolean
}

/** One subscription of a client, as data. */
export interface SubscriptionSnapshot {
  readonly sid: string
  /** As the client asked for it; one that begins with `$EDGE.REPLAY.` is not restored, its client is told. */
  readonly filter: string
  readonly queue?: string
  /** Ends after this many messages in all; 0 for never. */
  readonly max: number
  readonly delivered: number
}

/**
 * All that a session needs to go on after its hub lost its memory while the socket stayed, as on a Durable Object.
 * Plain data: it survives structured cloning and JSON.
 */
export interface SessionSnapshot {
  readonly id: string
  /** What its inboxes are under at the broker. */
  readonly inboxKey: string
  readonly flags: ClientFlags
  /** For monitoring. */
  readonly client?: ClientName
  /** What INFO asked this client to sign. */
  readonly nonce?: string
  /** Undefined before CONNECT was accepted. */
  readonly identity?: Identity
  readonly subscriptions: readonly SubscriptionSnapshot[]
  /** PINGs that are not answered yet. */
  readonly unansweredPings: number
  /** Whether the client's stream stands in the middle of an operation: such a session can't be continued. */
  readonly midOperation: boolean
}
