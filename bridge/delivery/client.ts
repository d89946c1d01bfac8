import type { Identity } from '../auth/identity.ts'
import type { ReplyGrants } from './reply-grants.ts'
import type { SubjectScope } from './subject-scope.ts'

/** Options of the first CONNECT that stay for the whole connection. */
export interface ClientFlags {
  /** Whether the bridge answers operations with `+OK`. */
  readonly verbose: boolean
  /** Whether the client requires checks of subjects. Only then nats-server sends `Invalid Publish Subject`. */
  readonly pedantic: boolean
  /** Whether the client gets its own messages. */
  readonly echo: boolean
  /** Whether the client reads HMSG. */
  readonly headers: boolean
  /** Whether the client gets a 503 status for a request without responders. */
  readonly noResponders: boolean
}

/** The user whose share of a hub a client takes. Anonymous clients are not one user together. */
export function shareOf({ identity, id }: Pick<Client, 'identity' | 'id'>): string {
  return identity.user === '' ? `\0${id}` : identity.user
}

/** A connected client, as permission checks and delivery need it. Owned by session/credentials.ts. */
export interface Client {
  /** Id of the connection, unique over all hubs. */
  readonly id: string
  /** Identity by the last accepted CONNECT. Before the first one it has no permissions. */
  readonly identity: Identity
  /** Maps the client's subjects to the broker's. */
  readonly scope: SubjectScope
  /** Reply subjects that the client may answer. */
  readonly replies: ReplyGrants
  readonly flags: ClientFlags
}
