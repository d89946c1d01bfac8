import type { NatsConnection } from 'nats'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { UserBytes } from '../budget/user-bytes.ts'
import { type NatsLink, sendMessage } from './nats-client.ts'
import type { UpstreamMessage } from './upstream.ts'

const MIB = 1_048_576
/**
 * Bytes that may be sent without a confirmation by the broker. More would let a slow broker take the bridge's memory: a
 * Durable Object has 128 MB.
 */
const MAX_UNCONFIRMED = 32 * MIB
/** Unconfirmed bytes of one user, once the broker is slow: one user must not take the rest from all others. */
const MAX_OF_USER = 2 * MIB
/** Unconfirmed bytes with which the broker is slow. */
const SLOW = MAX_UNCONFIRMED / 2
/** Unconfirmed bytes after which a PING is sent before the next interval. */
const PING_AFTER = MIB

/**
 * A connection to NATS in use, until it is lost. A broker has stalled if it leaves a PING unanswered for `stallTimeout` ms
 * and sends nothing else in that time. Its connection counts as lost.
 */
export class LiveConnection {
  readonly link: NatsLink
  /** Ends the connection. The first reason counts. */
  readonly lose: (reason: SpanwireError) => void
  /** Resolves with the reason when the connection is lost. */
  readonly lost: Promise<SpanwireError>
  readonly #stallTimeout: number
  /** Rejects when the connection is lost: the client never settles the PINGs of a closed connection. */
  readonly #broken: Promise<never>
  #sent = 0
  #confirmed = 0
  #roundTrips = 0
  /** Bytes of each user since the broker is slow. */
  readonly #users = new UserBytes(MAX_OF_USER)

  /** @param stallTimeout in ms */
  constructor(link: NatsLink, stallTimeout: number) {
    this.link = link
    this.#stallTimeout = stallTimeout
    const { promise, resolve } = Promise.withResolvers<SpanwireError>()
    this.lost = promise
    this.lose = resolve
    this.#broken = promise.then((reason) => {
      if (reason.code === 'connection-closed') throw reason
      throw new SpanwireError('upstream-unavailable', 'The connection to NATS was lost. Try again.', { cause: reason })
    })
    this.#broken.catch(() => {})
    link.connection.closed().then((error) =>
      resolve(
        new SpanwireError('connection-lost', `The connection to NATS was lost${error ? ` (${error.message})` : ''}.`, {
          cause: error ?? undefined,
        }),
      ),
    )
  }

  get connection(): NatsConnection {
    return this.link.connection
  }

  /**
   * Sends a message of `size` bytes.
   * @param user same as in {@link Upstream.publish}
   * @throws SpanwireError `upstream-unavailable` while too many bytes are unconfirmed
   */
  send(message: UpstreamMessage, size: number, user?: string): void {
    const unconfirmed = this.#unconfirmed
    if (unconfirmed < SLOW) this.#users.clear()
    else if (unconfirmed + size > MAX_UNCONFIRMED || (user !== undefined && !this.#users.add(user, size)))
      throw new SpanwireError('upstream-unavailable', 'NATS processes messages too slowly. Try again later.')
    sendMessage(this.connection, message)
    this.#sent += size
    if (this.#unconfirmed > PING_AFTER && this.#roundTrips === 0) this.roundTrip().catch(() => {})
  }

  /**
   * Sends a PING and resolves with its PONG.
   * @throws SpanwireError (as rejection) `upstream-unavailable`, `connection-closed`
   */
  async roundTrip(): Promise<void> {
    const sent = this.#sent
    this.#roundTrips++
    const stopWatching = this.#watchForStall()
    try {
      await Promise.race([this.connection.flush(), this.#broken])
      this.#confirmed = Math.max(this.#confirmed, sent)
    } finally {
      stopWatching()
      this.#roundTrips--
    }
  }

  /** Bytes that were sent and that no PONG has confirmed. */
  get #unconfirmed(): number {
    return this.#sent - this.#confirmed
  }

  /** In two halves: after a turn that blocked the event loop, the first half ends before the socket can be read. */
  #watchForStall(): () => void {
    let received = this.link.received
    let silentHalves = 0
    const timer = setInterval(() => {
      const now = this.link.received
      silentHalves = now === received ? silentHalves + 1 : 0
      received = now
      if (silentHalves < 2) return
      clearInterval(timer)
      this.lose(
        new SpanwireError('connection-lost', `NATS has not answered for ${this.#stallTimeout} ms. Reconnecting.`),
      )
    }, this.#stallTimeout / 2)
    return () => clearInterval(timer)
  }
}
