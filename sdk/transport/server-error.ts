import { SpanwireError, type SpanwireErrorCode } from '../errors.ts'

/** What a server's `-ERR` is about. */
export interface ServerFault {
  /**
   * `Publish` or `Subscription`: that one was refused. `maximum`: the newest subscription was one too many.
   * `credentials`: they were refused, or ran out. Else the connection is about to be closed.
   */
  readonly about?: string | undefined
  /** In quotes, as JSON writes them (Go's %q does the same with all that a subject may hold). */
  readonly subject?: string | undefined
  readonly queue?: string | undefined
  readonly error: SpanwireError
}

/** Reads the text of an `-ERR` (nats-server's `errors.go`, and bridge/PROTOCOL.md). */
export function readServerError(text: string): ServerFault {
  const [, kind, act, subject, queue] =
    /(\w+) Violation for (\w+)[^"]*("(?:[^"\\]|\\.)*")(?: using queue (.*))?/.exec(text) ?? []
  const about =
    act ??
    (/^maximum subscriptions/i.test(text)
      ? 'maximum'
      : /^authorization|authentication (expired|revoked)/i.test(text)
        ? 'credentials'
        : undefined)
  return { about, subject, queue, error: new SpanwireError(codeOf(about, kind ?? text), `The server says: ${text}`) }
}

function codeOf(about: string | undefined, text: string): SpanwireErrorCode {
  if (about === 'credentials') return 'authentication-failed'
  if (/rate/i.test(text)) return 'rate-limited'
  if (/payload|^headers/i.test(text)) return 'payload-too-large'
  if (about) return 'permission-denied'
  if (/slow/i.test(text)) return 'slow-consumer'
  return /upstream/i.test(text) ? 'upstream-unavailable' : 'connection-lost'
}
