/** Errors and shutdowns that a server announces: loaded with the first connection. */
import { SpanwireError, type SpanwireErrorCode } from '../../wire/errors.ts'
import type { Outbound, Outgoing, Pending } from '../outbound.ts'
import type { StatusCell } from '../status-cell.ts'
import type { Connection } from './connection.ts'

/** A subscription that an error may be about. */
export interface SuspectSubscription {
  readonly filter: string
  readonly queue?: string | undefined
  end(error: Error): void
}

/** An error about the connection itself. */
export interface ConnectionFault {
  readonly error: SpanwireError
  /** The credentials were refused, or expired. In all other cases the server closes the connection. */
  readonly credentials: boolean
}

/**
 * Reads the text of an `-ERR` and settles the operations that it is about.
 * Source: nats-server's `errors.go`, and bridge/PROTOCOL.md.
 * @param oldest the round that the next PONG would confirm
 * @returns the fault, if it is about the connection
 */
export function readError(
  text: string,
  oldest: readonly Pending[],
  subscriptions: ReadonlyMap<string, SuspectSubscription>,
): ConnectionFault | undefined {
  // Subjects are quoted as in JSON: Go's %q gives the same for every character that a subject may have.
  const [, kind, act, subject, queue, limit] =
    /(\w+) Violation for (\w+)[^"]*("(?:[^"\\]|\\.)*")(?: using queue (.*)| with (?:a |more )?(\w+ (?:over the limit|than).*))?/.exec(
      text,
    ) ?? []
  const credentials = /^authorization|authentication (expired|revoked)|by CONNECT$/i.test(text)
  const advice = text.endsWith('by CONNECT') ? '. The token is too long: issue one with fewer claims.' : ''
  const fault = (code: SpanwireErrorCode) => new SpanwireError(code, `Error of the server: ${text}${advice}`)
  const is = (own: string | undefined, named: string | undefined) => (own && JSON.stringify(own)) === named
  if (act === 'Publish') {
    const error = fault(codeOf(limit ?? kind, 'permission-denied'))
    for (const pending of oldest) if (is(pending.subject, subject) || is(pending.reply, subject)) pending.settle(error)
  } else if (act === 'Subscription') {
    const error = fault('permission-denied')
    for (const other of [...subscriptions.values()])
      if (is(other.filter, subject) && is(other.queue, queue)) other.end(error)
  } else if (/^maximum subscriptions/i.test(text)) {
    // The newest subscription exceeded the limit.
    const newest = oldest.findLast(({ sid }) => sid && subscriptions.has(sid))
    subscriptions.get(newest?.sid ?? '')?.end(fault('permission-denied'))
  } else if (/^maximum control line exceeded$/i.test(text)) {
    const error = fault('payload-too-large')
    for (const pending of oldest) if (isLong(pending.subject, pending.reply)) pending.settle(error)
    // Otherwise every new connection would send it again, and end.
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
  if (/payload|^headers|^data/i.test(text)) return 'payload-too-large'
  if (/slow/i.test(text)) return 'slow-consumer'
  return /upstream/i.test(text) ? 'upstream-unavailable' : otherwise
}

/** Lame duck mode: operations under way are confirmed, new ones wait for another server. */
export function leave<Message extends Outgoing>(
  connection: Connection | undefined,
  cell: StatusCell,
  outbound: Outbound<Message>,
): undefined {
  const error = new SpanwireError('connection-lost', 'The server is shutting down.')
  cell.set('reconnecting', error)
  outbound.add({ settle: () => connection?.end(error) })
}
