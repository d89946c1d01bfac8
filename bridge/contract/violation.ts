import { SpanwireError } from '../../sdk/wire/errors.ts'
import { invalidData } from '../../sdk/wire/invalid-data.ts'

/** Problems of data. */
export type Issues = NonNullable<SpanwireError['issues']>

/** Why the contract or the application refuses an operation. */
export type Violation =
  | { readonly violates: 'data'; readonly issues: Issues }
  | { readonly violates: 'permission'; readonly reason: string }
  /** The reply subject is one of an event. */
  | { readonly violates: 'reply' }

/** Reasons of refusals. Clients may compare them. */
export const UNKNOWN = 'no event of the contract has this subject'
export const DENIED = 'the application does not permit it'
export const FAILED = 'the decision of the application failed'
export const LATE = 'no decision of the application in time'

/** Issues in an answer. */
const MAX_ISSUES = 8
/** Longest text of all issues, in characters. A control line has at most 4,096 bytes. */
const MAX_TEXT = 1_000

/** The issues as JSON, for a line of the NATS protocol. */
export function issuesText(issues: Issues): string {
  const short = issues.slice(0, MAX_ISSUES).map(({ message, path }) => ({
    message: message.slice(0, MAX_TEXT / 4),
    // Standard Schema allows keys, and objects with a key.
    ...(path && { path: path.map((part) => String((part as { key?: unknown } | null)?.key ?? part).slice(0, 100)) }),
  }))
  while (short.length > 1 && JSON.stringify(short).length > MAX_TEXT) short.pop()
  return JSON.stringify(short)
}

/** The error of a publish to `subject` by HTTP. */
export function toError(violation: Violation, subject: string): SpanwireError {
  if (violation.violates === 'data') return invalidData(subject, JSON.parse(issuesText(violation.issues)))
  const beyond = violation.violates === 'permission' ? ` with a refusal: ${violation.reason}` : ''
  return new SpanwireError(
    'permission-denied',
    `Permissions Violation for Publish to ${JSON.stringify(subject)}${beyond}`,
  )
}
