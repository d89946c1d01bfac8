import { SpanwireError, type SpanwireErrorCode } from '../../sdk/wire/errors.ts'
import { splitFilters } from '../../sdk/wire/filter-list.ts'
import { type CloseReasonName, parseCloseReason } from '../session/close-reason.ts'
import { parseSubscribeRefusal } from '../session/refusal.ts'

type Meaning = readonly [code: SpanwireErrorCode, message: string]

const UNKNOWN: Meaning = ['upstream-unavailable', 'The hub closed the connection. Try again.']
const NO_TOKEN: Meaning = ['authentication-failed', 'The token is missing or not valid.']
const TOKEN_ENDED: Meaning = ['authentication-failed', 'The token has expired or was revoked. Use a new one.']
const TOO_MANY: Meaning = ['rate-limited', 'The bridge has too many connections. Try again later.']

/** The hub has closed the connection of an HTTP client, and has logged it. */
export class ClosedByHubError extends SpanwireError {}

/** Close reasons with a meaning of their own for an HTTP client. */
const meanings: Partial<Record<CloseReasonName, Meaning>> = {
  authorization: NO_TOKEN,
  authenticationTimeout: NO_TOKEN,
  authenticationExpired: TOKEN_ENDED,
  revoked: TOKEN_ENDED,
  slowConsumer: ['slow-consumer', 'The client left too many bytes unread.'],
  memory: ['rate-limited', 'The bridge holds too much for this client. Try again later.'],
  maxConnections: TOO_MANY,
  maxUserConnections: TOO_MANY,
}

/** The error for an HTTP client whose request for `filters` the hub answered with an `-ERR`, or closed for this reason. */
export function readRefusal(text: string, filters: readonly string[]): SpanwireError {
  const refusal = parseSubscribeRefusal(text)
  switch (refusal?.refused) {
    case 'subscribe-permission':
      return new SpanwireError(
        'permission-denied',
        `Permissions Violation for Subscription to ${JSON.stringify(filterIn(refusal.quoted, filters))}`,
      )
    case 'invalid-subject':
      return new SpanwireError('invalid-subject', 'A subject is not a valid subject filter.')
    case 'too-many-subscriptions':
      return new SpanwireError('rate-limited', 'The connection or the bridge has too many subscriptions.')
    default: {
      const reason = parseCloseReason(text)
      return new ClosedByHubError(...((reason && meanings[reason]) ?? UNKNOWN))
    }
  }
}

/** The filter of a SUB. The subject of a replay ends with it. */
function filterIn(quoted: string, filters: readonly string[]): string {
  const isEnd = (list: string) =>
    `.${quoted.slice(1)}`.endsWith(`.${JSON.stringify(splitFilters(list).at(-1)).slice(1)}`)
  return filters.filter(isEnd).sort((a, b) => b.length - a.length)[0] ?? ''
}
