import type { Permissions } from './permissions.ts'

/** Who a client is and what it may do, for as long as its credentials say. Plain data. */
export interface Identity {
  /** The token's `sub`; for NATS credentials the user's public key. */
  readonly user: string
  readonly permissions: Permissions
  /** When the credentials expire, in ms since 1970; undefined if they don't. */
  readonly expiresAt?: number
  /**
   * What stands before every subject of this client at the broker: `A` makes its `orders.1` the broker's `A.orders.1`.
   * It can't see or name anything outside.
   */
  readonly subjectPrefix?: string
  /** What others see of it where it is present: the claim `presence`. JSON. */
  readonly presence?: unknown
  /** Limits in the credentials themselves; the bridge's own hold as well. */
  readonly limits?: {
    /** Subscriptions of the connection. */
    readonly subscriptions?: number
    /** Header block and payload of one message, in bytes. */
    readonly payload?: number
    /** What the connection may publish in all, headers and payloads, in bytes. */
    readonly data?: number
  }
}

/** What a client presents. */
export interface Credentials {
  readonly token?: string | undefined
  /** NATS's own: a user JWT, and the signature of the nonce by the user's key (ADR-14 and the CONNECT option `sig`). */
  readonly jwt?: string | undefined
  readonly sig?: string | undefined
  /** The nonce that this connection's INFO asked to be signed. */
  readonly nonce?: string | undefined
}
