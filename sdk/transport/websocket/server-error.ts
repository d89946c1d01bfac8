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
  const [, kind, act, subject, queue, limit] =
    /(\w+) Violation for (\w+)[^"]*("(?:[^"\\]|\\.)*")(?: using queue (.*)| with (?:a |more )?(\w+ (?:over the limit|than).*))?/.exec(
      text,
    ) ?? []
  const credentials = /^authorization|authentication (expired|revoked)/i.test(text)
  const fault = (code: SpanwireErrorCode) => new SpanwireError(code, `The server says: ${text}`)
  const is = (own: string | undefined, said: string | undefined) => (own && JSON.stringify(own)) === said
  if (act === 'Publish') {
    const error = fault(codeOf(limit ?? kind, 'permission-denied'))
    for (const suspect of oldest) if (is(suspect.subject, subject) || is(suspect.reply, subject)) suspect.settle(error)
  } else if (act === 'Subscription') {
    const error = fault('permission-denied')
    for (const other of [...subscriptions.values()])
      if (is(other.filter, subject) && is(other.queue, queue)) other.end(error)
  } else if (/^maximum subscriptions/i.test(text)) {
    // The newest is the one too many.
    const newest = oldest.findLast(({ sid }) => sid && subscriptions.has(sid))
    subscriptions.get(newest?.sid ?? '')?.end(fault('permission-denied'))
  } else {
    return { credentials, error: fault(credentials ? 'authentication-failed' : codeOf(text, 'connection-lost')) }
  }
}

function codeOf(text = '', otherwise: SpanwireErrorCode): SpanwireErrorCode {
  if (/rate/i.test(text)) return 'rate-limited'
  if (/payload|^headers|^data/i.test(text)) return 'payload-too-large'
  if (/slow/i.test(text)) return 'slow-consumer'
  return /upstream/i.test(text) ? 'upstream-unavailable' : otherwise
}
