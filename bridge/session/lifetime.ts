import type { Limits } from '../auth/limits.ts'
import { type CloseReason, closeReasons } from './close-reason.ts'

/** State of a session that its deadlines depend on. */
interface SessionState {
  /** Whether a CONNECT was accepted. */
  readonly isKnown: boolean
  readonly expiresAt: number | undefined
  readonly subscriptions: number
  readonly unansweredPings: number
}

/** Deadlines and keep-alive of a connection, without timers of its own. */
export class Lifetime {
  readonly openedAt: number
  /** Time of the client's last bytes, to the second. */
  activeAt: number
  #activeAt: number
  #hasReceived = false
  #isActive = false
  /** Time since which the client owes a PONG. Undefined if it owes none. */
  #owesPongSince: number | undefined

  constructor(now: number) {
    this.openedAt = now
    this.activeAt = now
    this.#activeAt = now
  }

  /** Bytes arrived. */
  received(): void {
    this.#hasReceived = true
  }

  /** A PONG arrived: the client reads, and owes the next PONG from now on. */
  pongReceived(): void {
    this.#owesPongSince = undefined
  }

  /** The client published or subscribed. */
  active(): void {
    this.#isActive = true
  }

  /** Whether a PING or the end of the connection is due. Called once per second. */
  check(now: number, limits: Limits, session: SessionState): 'ping' | CloseReason | undefined {
    if (!session.isKnown)
      return now - this.openedAt >= limits.connectTimeout ? closeReasons.authenticationTimeout : undefined
    if (session.expiresAt !== undefined && now >= session.expiresAt) return closeReasons.authenticationExpired
    if (this.#isActive || session.subscriptions > 0) this.#activeAt = now
    this.#isActive = false
    if (limits.idleTimeout > 0 && now - this.#activeAt >= limits.idleTimeout) return closeReasons.idle
    if (this.#hasReceived) this.activeAt = now
    this.#hasReceived = false
    // A client that sends but never answers does not read, and would never be closed.
    if (session.unansweredPings === 0) this.#owesPongSince = undefined
    else this.#owesPongSince ??= now
    if (now - (this.#owesPongSince ?? now) >= 2 * limits.pingInterval) return closeReasons.stale
    if (now - this.activeAt < limits.pingInterval) return undefined
    if (session.unansweredPings >= 2) return closeReasons.stale
    this.activeAt = now
    return 'ping'
  }
}
