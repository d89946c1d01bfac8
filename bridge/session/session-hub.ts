import type { ServerInfo } from '../../sdk/wire/server-op.ts'
import type { Authenticate } from '../auth/authenticate.ts'
import type { Limits } from '../auth/limits.ts'
import type { UserLimits } from '../auth/user-limits.ts'
import type { Budget } from '../budget/budget.ts'
import type { ContractGate } from '../contract/contract-gate.ts'
import type { ConnectionStats } from '../delivery/connection-stats.ts'
import type { InboxKeys } from '../delivery/inbox-keys.ts'
import type { NoResponders } from '../delivery/no-responders.ts'
import type { Topics } from '../delivery/topic.ts'
import type { Turn } from '../delivery/turn.ts'
import type { LimitName } from '../log/reached-limits.ts'
import type { Channels } from '../presence/channels.ts'
import type { Branches } from '../upstream/branches.ts'
import type { SharedUpstream } from '../upstream/shared-upstream.ts'

/** Services of the hub that sessions use. Each helper of a session takes only the ones it needs. */
export interface SessionHub {
  readonly limits: Limits
  /** In ms since 1970. */
  readonly clock: () => number
  readonly turn: Turn
  readonly topics: Topics
  readonly channels: Channels
  readonly upstream: SharedUpstream
  readonly users: UserLimits
  readonly budget: Budget
  readonly noResponders: NoResponders
  readonly branches: Branches
  readonly inboxKeys: InboxKeys
  readonly authenticate: Authenticate
  /** Checks by the contract. Undefined if the bridge does not know it. */
  readonly contract: ContractGate | undefined
  /** Whether INFO carries a nonce for the client to sign. */
  readonly nonces: boolean
  /** INFO for a client, with the current state of the upstream. */
  info(connectionId: string, nonce: string | undefined): ServerInfo
  /** Credentials of a client were refused. */
  refused(client: ConnectionStats, error: unknown): void
  /** A client has reached a limit. Its connection stays open. */
  limited(limit: LimitName, client: { readonly user: string; readonly stats: ConnectionStats }): void
  /** The time until which operations of a connection are logged, in ms since 1970. 0 if they are not. */
  tracedUntil(connectionId: string, user: string): number
  /** An operation of a traced client, or its refusal. */
  traced(client: ConnectionStats, text: string): void
  /** A session has ended. @param reason text of the `-ERR`; undefined if the client closed the connection */
  ended(connectionId: string, reason?: string): void
  /** The socket of a session is closed, after its session has ended. */
  socketClosed(): void
}
