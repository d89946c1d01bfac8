import { SpanwireError } from '../../sdk/wire/errors.ts'
import type { NatsLink } from './nats-client.ts'

/**
 * PINGs on one connection, and the question whether it is still alive: a broker that leaves a PING unanswered for
 * `timeout` ms and sends nothing else in that time has stalled, and the connection is given up.
 */
export class RoundTrips {
  readonly #link: NatsLink
  readonly #timeout: number
  readonly #lose: (reason: SpanwireError) => void
  /** Rejects when the connection is lost: the client leaves the PINGs of a closed connection unanswered for ever. */
  readonly #broken: Promise<never>
  readonly lost: Promise<SpanwireError>
  #sent = 0
  #confirmed = 0
  #underway = 0

  constructor(link: NatsLink, lost: Promise<SpanwireError>, timeout: number, lose: (reason: SpanwireError) => void) {
    this.#link = link
    this.#timeout = timeout
    this.#lose = lose
    this.lost = lost
    this.#broken = lost.then((reason) => {
      if (reason.code === 'connection-closed') throw reason
      throw new SpanwireError('upstream-unavailable', 'The connection to NATS was lost: try again.', { cause: reason })
    })
    this.#broken.catch(() => {})
  }

  /** Bytes handed to the connection that no PONG has confirmed yet. */
  get unconfirmed(): number {
    return this.#sent - this.#confirmed
  }

  /** Whether a PING waits for its PONG. */
  get underway(): boolean {
    return this.#underway > 0
  }

  /** Counts bytes that were handed to the connection. */
  sent(bytes: number): void {
    this.#sent += bytes
  }

  /**
   * Resolves when the broker has answered a PING sent now.
   * @throws SpanwireError (as rejection) `upstream-unavailable`, `connection-closed`
   */
  async make(): Promise<void> {
    const mark = this.#sent
    this.#underway++
    const stopWatching = this.#watch()
    try {
      await Promise.race([this.#link.connection.flush(), this.#broken])
      this.#confirmed = Math.max(this.#confirmed, mark)
    } finally {
      stopWatching()
      this.#underway--
    }
  }

  #watch(): () => void {
    let received = this.#link.received
    let silent = 0
    // In two halves: after a turn that blocked for long the first one fires before the socket could be read.
    const timer = setInterval(() => {
      const now = this.#link.received
      silent = now === received ? silent + 1 : 0
      received = now
      if (silent < 2) return
      clearInterval(timer)
      this.#lose(
        new SpanwireError('connection-lost', `NATS has not answered for ${this.#timeout} ms: connecting again.`),
      )
    }, this.#timeout / 2)
    return () => clearInterval(timer)
  }
}
