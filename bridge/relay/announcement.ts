/** Announcements of relay processes on NATS, for monitoring. */
import type { Transport } from '../../sdk/transport/transport.ts'
import { encode } from '../../sdk/wire/bytes.ts'
import { ANNOUNCEMENTS, ROLL_CALL } from '../upstream/relay-subjects.ts'
import type { RelayStatus } from './counts.ts'

/** The status of all relays of a process, as JSON. */
export interface RelayAnnouncement {
  /** See `RunningRelays.process`. */
  readonly process: string
  /** The time of the announcement, in ms since 1970. */
  readonly time: number
  /** One status a relay. */
  readonly relays: readonly RelayStatus[]
}

/** The interval of announcements, in ms. */
const EVERY = 5_000

/** Announces the relays. Returns a function that stops it. A refusal of these subjects by NATS has no effect. */
export function announce(transport: Transport, process: string, status: () => readonly RelayStatus[]): () => void {
  const send = (subject: string) => {
    if (transport.status.state !== 'open') return
    const announcement: RelayAnnouncement = { process, time: Date.now(), relays: status() }
    transport.publish(subject, encode(JSON.stringify(announcement))).catch(() => {})
  }
  const timer = setInterval(() => send(ANNOUNCEMENTS), EVERY)
  timer.unref?.()
  const subscription = transport.subscribe(ROLL_CALL, {
    message: ({ reply }) => send(reply ?? ANNOUNCEMENTS),
    ended() {},
  })
  return () => {
    clearInterval(timer)
    subscription.unsubscribe()
    send(ANNOUNCEMENTS)
  }
}
