import type { Permissions } from './permissions.ts'

/** Identity and permissions of a client. Plain data. */
export interface Identity {
  /** The claim `sub` of its token, or the public key of its NATS user. Empty for anonymous clients. */
  readonly user: string
  /** Its permissions. */
  readonly permissions: Permissions
  /** Time at which the credentials expire, in ms since 1970. Undefined if they do not expire. */
  readonly expiresAt?: number
  /**
   * Prefix of all of the client's subjects at the broker: with `A`, its `orders.1` is `A.orders.1`. The client has no
   * access to subjects outside of the prefix.
   */
  readonly subjectPrefix?: string
  /** The claim `presence`: JSON that other members of a channel see. */
  readonly presence?: unknown
  /** Limits in the credentials, in addition to the bridge's limits. */
  readonly limits?: {
    /** Largest number of subscriptions of the connection. */
    readonly subscriptions?: number
    /** Largest header block and payload of one message, in bytes. */
    readonly payload?: number
    /** Largest total of header blocks and payloads that the connection publishes, in bytes. */
    readonly data?: number
  }
}

/** Credentials of a CONNECT or an HTTP request. */
export interface Credentials {
  readonly token?: string | undefined
  /** A NATS user JWT (ADR-14). */
  readonly jwt?: string | undefined
  /** Signature of the nonce by the user's key, for `jwt`. */
  readonly sig?: string | undefined
  /** Nonce of the connection's INFO. */
  readonly nonce?: string | undefined
}
