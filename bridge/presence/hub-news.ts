import type { Member } from '../../sdk/wire/presence-frames.ts'

/** What hubs say to each other about a channel, on `$EDGE.HUBS.PRESENCE.<channel>`. Only what can reach NATS itself can. */
export type HubNews =
  /** Its members changed; `n` counts these of this hub and channel. */
  | { readonly hub: string; readonly n: number; readonly joined: readonly Member[]; readonly left: readonly string[] }
  /** All of its members, as of `n`, in parts: the first replaces what was known. */
  | { readonly hub: string; readonly n: number; readonly part: number; readonly members: readonly Member[] }
  /** A signal, with who says it if others haven't been told of them. */
  | { readonly hub: string; readonly id: string; readonly data: unknown; readonly member?: Member }
  /** Who has members is asked for all of them. */
  | { readonly hub: string; readonly ask: true }

/** Said by every hub that has members, now and then. */
export const ALIVE_SUBJECT = '$EDGE.HUBS.ALIVE'

export function hubSubject(channel: string): string {
  return `$EDGE.HUBS.PRESENCE.${channel}`
}
