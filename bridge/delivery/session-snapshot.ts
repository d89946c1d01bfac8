import type { Identity } from '../auth/identity.ts'
import type { ClientFlags } from './client.ts'
import type { ClientName } from './connection-stats.ts'

/** One subscription of a client, as data. */
export interface SubscriptionSnapshot {
  /** The client's id of the subscription. */
  readonly sid: string
  /** Subject of the SUB, as the client sent it. */
  readonly filter: string
  /** Queue group, if there is one. */
  readonly queue?: string
  /** Number of messages after which the subscription ends; 0 for no limit. */
  readonly max: number
  /** Number of messages that were delivered. */
  readonly delivered: number
}

/**
 * State of a session, from which a hub continues it after it lost its memory while the socket stayed, as on a Durable
 * Object. Plain data: it survives structured cloning and JSON.
 */
export interface SessionSnapshot {
  /** Id of the connection. */
  readonly id: string
  /** Token under which the client's inboxes are at the broker. */
  readonly inboxKey: string
  /** Options of the first CONNECT. */
  readonly flags: ClientFlags
  /** Names for monitoring. */
  readonly client?: ClientName
  /** Nonce of the client's INFO. */
  readonly nonce?: string
  /** Identity of the client; undefined before its CONNECT was accepted. */
  readonly identity?: Identity
  /** All subscriptions, in no order. */
  readonly subscriptions: readonly SubscriptionSnapshot[]
  /** Number of the client's PINGs that have no PONG yet. */
  readonly unansweredPings: number
  /** Whether the client has sent the beginning of an operation. Such a session can't be continued. */
  readonly midOperation: boolean
}
