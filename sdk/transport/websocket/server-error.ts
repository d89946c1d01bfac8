/** What a server's -ERR means: loaded when the first comes. */
import { SpanwireError, type SpanwireErrorCode } from '../../wire/errors.ts'
import type { Waiter } from './round-trips.ts'

/** Who may be meant by an error about a publish: what was sent and is not confirmed. */
export interface Suspect extends Waiter {
  readonly subject?: string | undefined
  readonly reply?: string | undefined
  /** Of a subscription. */
  readonly sid?: string | undefined
}

/** Who may be meant by an error about a subscription. */
export interface SuspectSubscription {
  readonly filter: string
  readonly queue?: string | undefined
  end(error: Error): void
}

/** The connection itself is meant. */
export interface ConnectionFault {
  readonly error: SpanwireError
  /** The credentials were refused, or ran out. Else the server is about to close it. */
  readonly credentials: boolean
}

/**
 * Reads the text of an `-ERR` (nats-server's `errors.go`, and bridge/PROTOCOL.md), and tells those whom it is about.
 * @param oldest what the next PONG would confirm
 * @returns the fault, if it is about the connection
 */
export function tellError(
  text: string,
  oldest: readonly Suspect[],
  subscriptions: ReadonlyMap<string, SuspectSubscription>,
): ConnectionFault | undefined {
  // Subjects are in quotes, as JSON writes them (Go's %q does the same with all that a subject may hold).
  const [, kind, act, subject, queue] =
    /(\w+) Violation for (\w+)[^"]*("(?:[^"\\]|\\.)*")(?: using queue (.*))?/.exec(text) ?? []
  const credentials = /^authorization|authentication (expired|revoked)|by CONNECT$/i.test(text)
  const advice = text.endsWith('by CONNECT') ? '. The token is too long: issue one with fewer claims.' : ''
  const fault = (code: SpanwireErrorCode) => new SpanwireError(code, `The server says: ${text}${advice}`)
  const is = (own: string | undefined, said: string | undefined) => (own && JSON.stringify(own)) === said
  if (act === 'Publish') {
    const error = fault(codeOf(kind, 'permission-denied'))
    for (const suspect of oldest) if (is(suspect.subject, subject) || is(suspect.reply, subject)) suspect.settle(error)
  } else if (act === 'Subscription') {
    const error = fault('permission-denied')
    for (const other of [...subscriptions.values()])
      if (is(other.filter, subject) && is(other.queue, queue)) other.end(error)
  } else if (/^maximum subscriptions/i.test(text)) {
    // The newest is the one too many.
    const newest = oldest.findLast(({ sid }) => sid && subscriptions.has(sid))
    subscriptions.get(newest?.sid ?? '')?.end(fault('permission-denied'))
  } else if (/^maximum control line exceeded$/i.test(text)) {
    const error = fault('payload-too-large')
    for (const suspect of oldest) if (isLong(suspect.subject, suspect.reply)) suspect.settle(error)
    // Sent again with every connection, it would end each of them.
    for (const other of [...subscriptions.values()]) if (isLong(other.filter, other.queue)) other.end(error)
    return { credentials, error }
  } else {
    return { credentials, error: fault(credentials ? 'authentication-failed' : codeOf(text, 'connection-lost')) }
  }
}

/** Whether a line with these subjects may be over 4,096 bytes, nats-server's maximum. */
function isLong(subject = '', other = ''): boolean {
  return new TextEncoder().encode(subject + other).length > 4_000
}

function codeOf(text = '', otherwise: SpanwireErrorCode): SpanwireErrorCode {
  if (/rate/i.test(text)) return 'rate-limited'
  if (/payload|^headers/i.test(text)) return 'payload-too-large'
  if (/slow/i.test(text)) return 'slow-consumer'
  return /upstream/i.test(text) ? 'upstream-unavailable' : otherwise
}
