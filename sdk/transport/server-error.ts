import { SpanwireError, type SpanwireErrorCode } from '../errors.ts'

/** What a server's `-ERR` is about, read from its text (nats-server's `errors.go`, and bridge/PROTOCOL.md). */
export type ServerFault =
  | { readonly about: 'publish'; readonly subject: string; readonly error: SpanwireError }
  | {
      readonly about: 'subscription'
      readonly filter: string
      readonly queue: string | undefined
      readonly error: SpanwireError
    }
  /** The newest subscription was one too many. */
  | { readonly about: 'newest-subscription'; readonly error: SpanwireError }
  | { readonly about: 'credentials'; readonly error: SpanwireError }
  /** The connection is about to be closed. */
  | { readonly about: 'connection'; readonly error: SpanwireError }

const codes: ReadonlyArray<readonly [RegExp, SpanwireErrorCode]> = [
  [/slow consumer/i, 'slow-consumer'],
  [/payload/i, 'payload-too-large'],
  [/upstream/i, 'upstream-unavailable'],
  [/rate/i, 'rate-limited'],
  [/operation|headers/i, 'protocol-violation'],
]

export function readServerError(text: string): ServerFault {
  const [, kind, act, quoted, , queue] =
    /^(\w+) Violation for (Publish|Subscription)[^"]*("(?:[^"\\]|\\.)*")( using queue ("(?:[^"\\]|\\.)*"))?/.exec(
      text,
    ) ?? []
  if (act && quoted) {
    const code = kind === 'Rate' ? 'rate-limited' : kind === 'Headers' ? 'payload-too-large' : 'permission-denied'
    const error = new SpanwireError(code, `The server refused it: ${text}`)
    return act === 'Publish'
      ? { about: 'publish', subject: unquote(quoted), error }
      : { about: 'subscription', filter: unquote(quoted), queue: queue && unquote(queue), error }
  }
  if (/maximum subscriptions/i.test(text))
    return {
      about: 'newest-subscription',
      error: new SpanwireError('permission-denied', 'The server takes no more subscriptions of this connection.'),
    }
  if (/^(authorization|\w+ authentication (expired|revoked))/i.test(text))
    return {
      about: 'credentials',
      error: new SpanwireError('authentication-failed', `The server refused the credentials: ${text}`),
    }
  const code = codes.find(([pattern]) => pattern.test(text))?.[1] ?? 'connection-lost'
  return { about: 'connection', error: new SpanwireError(code, `The server ended the connection: ${text}`) }
}

/** Go's %q, which for what a subject may hold is JSON's way. */
function unquote(quoted: string): string {
  try {
    return JSON.parse(quoted)
  } catch {
    return quoted.slice(1, -1)
  }
}
