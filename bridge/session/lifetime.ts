import type { Limits } from '../auth/limits.ts'
import { type Closing, closings } from './close-reason.ts'

/** What a look at the clock tells to do. */
export type Due = 'ping' | Closing | undefined

/** How long a connection may go on: deadlines and keep-alive, without timers of its own. */
export class Lifetime {
  readonly openedAt: number
  /** To the second. */
  heardAt: number
  #activeAt: number
  #heard = false
  #active = false

  constructor(now: number) {
    this.openedAt = now
    this.heardAt = now
    this.#activeAt = now
  }

  /** Bytes came in. */
  heard(): void {
    this.#heard = true
  }

  /** The client did something that it is connected for. */
  active(): void {
    this.#active = true
  }

  /** @param session `expiresAt` is undefined until the client has said who it is */
  check(
    now: number,
    limits: Limits,
    session: { known: boolean; expiresAt: number | undefined; subscriptions: number; unansweredPings: number },
  ): Due {
    if (!session.known) return now - this.openedAt >= limits.connectTimeout ? closings.authenticationTimeout : undefined
    if (session.expiresAt !== undefined && now >= session.expiresAt) return closings.authenticationExpired
    if (this.#active || session.subscriptions > 0) this.#activeAt = now
    this.#active = false
    if (limits.idleTimeout > 0 && now - this.#activeAt >= limits.idleTimeout) return closings.idle
    if (this.#heard) this.heardAt = now
    this.#heard = false
    if (now - this.heardAt < limits.pingInterval) return undefined
    if (session.unansweredPings >= 2) return closings.stale
    this.heardAt = now
    return 'ping'
  }
}
