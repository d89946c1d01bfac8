import { encode } from '../../sdk/wire/bytes.ts'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { invalidData } from '../../sdk/wire/invalid-data.ts'

/** Problems of data. */
export type Issues = NonNullable<SpanwireError['issues']>

/** Why the contract or the application refuses an operation. */
export type Violation =
  /** `issues` are the first ones, shortened. `count` is the number of all. */
  | { readonly violates: 'data'; readonly issues: Issues; readonly count: number }
  | { readonly violates: 'permission'; readonly reason: string }
  /** A header would make the server publish to an event without a check. */
  | { readonly violates: 'header'; readonly header: string }
  /** The reply subject is one of an event. */
  | { readonly violates: 'reply' }

/** Reasons of refusals. Clients may compare them. */
export const UNKNOWN = 'no event of the contract has this subject'
export const DENIED = 'the application does not permit it'
export const FAILED = 'the decision of the application failed'
export const LATE = 'no decision of the application in time'

/** Issues in an answer. */
const MAX_ISSUES = 8
/** Longest message of an issue, and longest part of its path, in characters. */
const MAX_MESSAGE = 250
const MAX_PART = 100
/** Parts of a path. */
const MAX_PATH = 8
/** At the default rate, a client can use about 0.2 s of CPU per second for issues. */
const BYTES_PER_ISSUE = 100
/** Longest text of all issues in a line of the protocol, in bytes. Such a line has at most 4,096 bytes. */
const MAX_BYTES = 1_500

/** A violation with the issues that a schema found. The schema is the application's: an issue may have any shape. */
export function dataViolation(all: Issues): Violation {
  const issues = all.slice(0, MAX_ISSUES).map(toIssue)
  while (issues.length > 1 && isLong(issues)) issues.pop()
  const [first] = issues
  const short = first && isLong(issues) ? [{ message: first.message.slice(0, MAX_PART) }] : issues
  return { violates: 'data', issues: short, count: all.length }
}

/** Cost of finding the issues, as bytes of the publish rate. A schema takes about 2 µs for each. */
export function costOf({ count }: { readonly count: number }): number {
  return count * BYTES_PER_ISSUE
}

function toIssue(issue: Partial<Issues[number]> | null): Issues[number] {
  const { message, path } = issue ?? {}
  return {
    message: typeof message === 'string' ? message.slice(0, MAX_MESSAGE) : 'It is not valid.',
    ...(Array.isArray(path) && { path: path.slice(0, MAX_PATH).map(toKey) }),
  }
}

/** Standard Schema allows keys, and objects with a key. */
function toKey(part: unknown): string {
  const key = (part as { key?: unknown } | null)?.key ?? part
  return typeof key === 'object' ? '' : String(key).slice(0, MAX_PART)
}

function isLong(issues: Issues): boolean {
  return encode(JSON.stringify(JSON.stringify(issues))).length > MAX_BYTES
}

/** The error of a publish to `subject` by HTTP. */
export function toError(violation: Violation, subject: string): SpanwireError {
  if (violation.violates === 'data') return invalidData(subject, violation.issues)
  const beyond = beyondOf(violation)
  return new SpanwireError(
    'permission-denied',
    `Permissions Violation for Publish to ${JSON.stringify(subject)}${beyond}`,
  )
}

function beyondOf(violation: Exclude<Violation, { violates: 'data' }>): string {
  switch (violation.violates) {
    case 'permission':
      return ` with a refusal: ${violation.reason}`
    case 'header':
      return ` with ${violation.header}`
    case 'reply':
      return ''
  }
}
