/** Errors of a server. Part of the first load: they decide whether an operation was refused. */
import { SpanwireError, type SpanwireErrorCode } from '../../wire/errors.ts'
import type { Pending } from '../outbound.ts'

/** A subscription that an error may be about. */
export interface SuspectSubscription {
  readonly filter: string
  readonly queue?: string | undefined
  end(error: Error): void
}

/** Codes by patterns of what stands before the first quote. The first that matches counts. */
const CODES: Readonly<Record<string, SpanwireErrorCode>> = {
  '^authorization|authentication (expired|revoked)|by connect$': 'authentication-failed',
  rate: 'rate-limited',
  'payload|^(headers|data|maximum control)| (headers over|data than)': 'payload-too-large',
  slow: 'slow-consumer',
  upstream: 'upstream-unavailable',
  '^invalid .*subject': 'invalid-subject',
  'violation|maximum sub': 'permission-denied',
}

/** Text between quotes, as JSON writes it, or as Go's `%q`, which also escapes all white space but the blank. */
const QUOTED = /"((?:[^"\\]|\\.)*)"/s

/**
 * Reads the text of an `-ERR` and settles the operations that it names.
 * Source: nats-server's `errors.go`, and bridge/PROTOCOL.md.
 * @param oldest the round that the next PONG would confirm
 * @returns the error, if it names none: then it is about the connection, or about something in that round
 */
export function readError(
  text: string,
  oldest: readonly Pending[],
  subscriptions: ReadonlyMap<string, SuspectSubscription>,
): SpanwireError | undefined {
  const [head = '', named, tail = '', queue] = text.split(QUOTED).map(unquote)
  const [, code] =
    Object.entries(CODES).find(([pattern]) =>
      RegExp(pattern, 'i').test(/ the limit| than /.test(tail) ? tail : head),
    ) ?? []
  const advice = / by connect$/i.test(head) ? '. The token is too long: issue one with fewer claims.' : ''
  const error = new SpanwireError(code ?? 'connection-lost', `Error of the server: ${text}${advice}`)
  if (/ for pub/i.test(head)) {
    for (const { subject, reply, settle } of oldest) if (subject === named || reply === named) settle(error)
  } else if (named) {
    for (const other of [...subscriptions.values()])
      if (other.filter === named && other.queue === queue) other.end(error)
  } else if (/^maximum sub/i.test(head)) {
    // The newest subscription exceeded the limit.
    const newest = oldest.findLast(({ sid }) => sid && subscriptions.has(sid))
    subscriptions.get(newest?.sid ?? '')?.end(error)
  } else {
    // Otherwise every new connection would send the long line again, and end.
    if (/^maximum control line exceeded$/i.test(head)) {
      for (const { subject, reply, settle } of oldest) if (isLong(subject, reply)) settle(error)
      for (const other of [...subscriptions.values()]) if (isLong(other.filter, other.queue)) other.end(error)
    }
    return error
  }
}

/** Whether a line with these subjects may be over 4,096 bytes, nats-server's maximum. */
function isLong(subject = '', other = ''): boolean {
  return new TextEncoder().encode(subject + other).length > 4_000
}

function unquote(text: string): string {
  return text.replace(
    /\\(?:u(.{4})|U(.{8})|(.))/g,
    (_, short, long, character) => character ?? String.fromCodePoint(Number(`0x${short ?? long}`)),
  )
}
