import type { ConnectOptions } from '../../sdk/wire/client-op.ts'
import type { ServerInfo } from '../../sdk/wire/server-op.ts'
import type { Identity } from '../auth/identity.ts'
import type { Limits } from '../auth/limits.ts'
import type { Subscription } from '../delivery/subscription.ts'
import type { Turn } from '../delivery/turn.ts'
import type { Present } from '../presence/presence.ts'
import type { UpstreamMessage } from '../upstream/upstream.ts'

/** What a session needs of its hub. */
export interface SessionHub {
  readonly limits: Limits
  readonly turn: Turn
  /** In ms since 1970. */
  readonly clock: () => number
  /** Whether INFO carries a nonce to be signed. */
  readonly nonces: boolean
  /** Largest header block and payload together that the broker takes too, in bytes. */
  readonly maxPayload: number
  /** What the broker takes, whatever the limits are. */
  readonly maxBrokerPayload: number
  /** INFO as of now, for this client. */
  info(sessionId: string, nonce: string | undefined): ServerInfo
  /** @param token what the upgrade request presented */
  authenticate(options: ConnectOptions, nonce?: string, token?: string): Promise<Identity>
  /** A session belongs to this user now. Returns whether that user may have one more connection. */
  identified(user: string): boolean
  /** Counts one publish towards its user's rate. Returns whether it is within. */
  meter(user: string, bytes: number): boolean
  /** Nothing more of this user until then, by the hub's clock. */
  suspend(user: string, until: number): void
  /** Carries out what a client says in a channel of presence. Returns why not, if it can't be done. */
  present(channel: string, member: Present, payload: Uint8Array): string | undefined
  /** Ends a client's presence in the channels that are named. */
  absent(id: string, from: (channel: string) => boolean): void
  /** Whether one more subject filter is within the limit. */
  hasRoomFor(subscription: Subscription): boolean
  /** Returns what stands for it in `confirm`. */
  subscribe(subscription: Subscription): number
  /** Ends it now. */
  unsubscribe(subscription: Subscription): void
  /** Ends it after the messages that the broker had before. Returns what stands for that in `confirm`. */
  leave(subscription: Subscription): number
  /**
   * Returns what stands for it in `confirm`.
   * @throws SpanwireError `upstream-unavailable`
   */
  publish(message: UpstreamMessage): number
  /** Resolves once the broker has processed everything up to `mark`; undefined if it already has, or is away. */
  confirm(mark: number): Promise<void> | undefined
  /** @param reason what its client was told; undefined if it left by itself */
  ended(sessionId: string, reason?: string): void
}
