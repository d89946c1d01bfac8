/** How a relay process shows itself on NATS. */
import type { Transport } from '../../sdk/transport/transport.ts'
import { encode } from '../../sdk/wire/bytes.ts'
import { ANNOUNCEMENTS, ROLL_CALL } from '../upstream/relay-subjects.ts'
import type { RelayStatus } from './counts.ts'

/** What a process says about its relays, as JSON. */
export interface RelayAnnouncement {
  /** See `RunningRelays.process`. */
  readonly process: string
  /** When it was written, in ms since 1970. */
  readonly time: number
  readonly relays: readonly RelayStatus[]
}

/** In ms. */
const EVERY = 5_000

/** Announces the relays until the function that it returns is called. Where NATS refuses these subjects it stays silent. */
export function announce(transport: Transport, process: string, status: () => readonly RelayStatus[]): () => void {
  const say = (subject: string) => {
    if (transport.status.state !== 'open') return
    const announcement: RelayAnnouncement = { process, time: Date.now(), relays: status() }
    transport.publish(subject, encode(JSON.stringify(announcement))).catch(() => {})
  }
  const timer = setInterval(() => say(ANNOUNCEMENTS), EVERY)
  timer.unref?.()
  const subscription = transport.subscribe(ROLL_CALL, {
    message: ({ reply }) => say(reply ?? ANNOUNCEMENTS),
    ended() {},
  })
  return () => {
    clearInterval(timer)
    subscription.unsubscribe()
    say(ANNOUNCEMENTS)
  }
}
