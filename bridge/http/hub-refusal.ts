import { SpanwireError } from '../../sdk/wire/errors.ts'

/** What a hub's `-ERR` means to somebody who asked by HTTP for these filters. */
export function readRefusal(text: string, filters: readonly string[]): SpanwireError {
  const [, subject] = /^Permissions Violation for Subscription to (".*")/s.exec(text) ?? []
  if (subject !== undefined) {
    // As it was sent: that of a replay has the filter at its end.
    const ends = (filter: string) => `.${subject.slice(1)}`.endsWith(`.${JSON.stringify(filter).slice(1)}`)
    const about = filters.filter(ends).sort((a, b) => b.length - a.length)[0] ?? ''
    return new SpanwireError('permission-denied', `Permissions Violation for Subscription to ${JSON.stringify(about)}`)
  }
  switch (text) {
    case 'Authorization Violation':
    case 'Authentication Timeout':
      return new SpanwireError('authentication-failed', 'The token is missing, or not valid here.')
    case 'User Authentication Expired':
    case 'User Authentication Revoked':
      return new SpanwireError('authentication-failed', `${text}: come again with another token.`)
    case 'Slow Consumer':
      return new SpanwireError('slow-consumer', 'Too much was left unread.')
    case 'Invalid Subject':
      return new SpanwireError('invalid-subject', 'A subject is not one that can be subscribed to.')
    case 'maximum connections exceeded':
    case 'maximum account active connections exceeded':
    case 'maximum subscriptions exceeded':
      return new SpanwireError('rate-limited', `${text}: try again later.`)
    default:
      return new SpanwireError('upstream-unavailable', 'The hub ended the connection: try again.')
  }
}
