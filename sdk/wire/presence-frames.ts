/**
 * Presence: who is in a channel. Said in JSON on `$EDGE.PRESENCE.<channel>`, by clients with PUB and by hubs with MSG.
 * Source: bridge/PROTOCOL.md, Presence.
 */
import { isSubject } from './subject.ts'

const PREFIX = '$EDGE.PRESENCE.'

/** The subject of a channel. */
export function presenceSubject(channel: string): string {
  return PREFIX + channel
}

/** The channel that a subject names; undefined if it is about something else. */
export function presenceChannel(subject: string): string | undefined {
  return subject.startsWith(PREFIX) ? subject.slice(PREFIX.length) : undefined
}

/** Whether it can be a channel's name: a subject that is nobody else's. */
export function isChannel(name: string): boolean {
  return isSubject(name) && !/^(\$|_INBOX\.)/.test(name)
}

/** Somebody who is in a channel: one connection. */
export interface Member {
  /** Of its connection: unique, and another one after each reconnect. */
  readonly id: string
  /** The token's `sub`; empty if nobody knows. */
  readonly user: string
  /** What its token says of it: the claim `presence`. */
  readonly claims?: unknown
  /** What it says of itself. */
  readonly state?: unknown
}

/** What a client says. */
export type PresenceOrder =
  /** Is in the channel from now on, with this state; or has another state. A hidden one is seen by nobody. */
  | { readonly do: 'join'; readonly state?: unknown; readonly hidden?: boolean }
  | { readonly do: 'leave' }
  /** For whoever is there now: typing, a pointer's place. Nobody keeps it. */
  | { readonly do: 'signal'; readonly data: unknown }

/** What a hub says to who has subscribed. */
export type PresenceNews =
  /** All who are there, in as many messages as it takes; whoever was known before and isn't among them is gone. */
  | {
      readonly kind: 'members'
      readonly you: string
      readonly members: readonly Member[]
      /** More of them follow. */
      readonly more: boolean
    }
  | { readonly kind: 'changes'; readonly joined: readonly Member[]; readonly left: readonly string[] }
  /** `member` if that it came hasn't been told yet. */
  | { readonly kind: 'signal'; readonly id: string; readonly data: unknown; readonly member?: Member }
