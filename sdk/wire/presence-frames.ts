/**
 * Messages of presence: JSON on `$EDGE.PRESENCE.<channel>`, in PUB from clients and in MSG from hubs.
 * Source: bridge/PROTOCOL.md, Presence.
 */
import { isSubject } from './subject.ts'

const PREFIX = '$EDGE.PRESENCE.'

/** Returns the subject of a channel. */
export function presenceSubject(channel: string): string {
  return PREFIX + channel
}

/** Returns the channel of a subject. Undefined for other subjects. */
export function presenceChannel(subject: string): string | undefined {
  return subject.startsWith(PREFIX) ? subject.slice(PREFIX.length) : undefined
}

/** Whether `name` is valid for a channel: a NATS subject without wildcards that is not reserved. */
export function isChannel(name: string): boolean {
  return isSubject(name) && !/^(\$|_INBOX\.)/.test(name)
}

/** A member of a channel: one connection. */
export interface Member {
  /** Unique id of the connection. It changes with each reconnect. */
  readonly id: string
  /** The `sub` of the token. Empty if the connection has none. */
  readonly user: string
  /** The claim `presence` of the token. */
  readonly claims?: unknown
  /** State that the member passed to `join`. */
  readonly state?: unknown
}

/** A message of a client. */
export type PresenceOrder =
  /** Joins the channel, or changes the state. Other members do not see a hidden member. */
  | { readonly do: 'join'; readonly state?: unknown; readonly hidden?: boolean }
  | { readonly do: 'leave' }
  /** Transient data for the current members, such as a typing indicator. */
  | { readonly do: 'signal'; readonly data: unknown }

/** A message of a hub to the subscribers of a channel. */
export type PresenceNews =
  /** All members, in one message or more. Members that are not in the list have left. */
  | {
      readonly kind: 'members'
      /** Id of the receiver's connection. */
      readonly you: string
      readonly members: readonly Member[]
      /** Whether more members follow. */
      readonly more: boolean
    }
  | { readonly kind: 'changes'; readonly joined: readonly Member[]; readonly left: readonly string[] }
  /** `member` is set if its arrival was not sent yet. */
  | { readonly kind: 'signal'; readonly id: string; readonly data: unknown; readonly member?: Member }
