import { readFields } from '../../sdk/wire/header-fields.ts'
import { ID_HEADER } from '../../sdk/wire/header-names.ts'
import { encodeError } from '../../sdk/wire/server-op.ts'
import type { Violation } from '../contract/violation.ts'
import type { LimitName } from '../log/reached-limits.ts'
import type { CloseReason } from './close-reason.ts'
import type { PublishOp } from './operation-reader.ts'

/** Longest message id in a refusal, in characters. */
const MAX_ID = 256

/** Why the bridge refuses one operation. The connection stays open. */
export type Refusal =
  | { readonly refused: keyof typeof simpleTexts; readonly limit?: LimitName }
  | { readonly refused: 'subscribe-permission'; readonly subject: string; readonly queue: string | undefined }
  /** `beyond` names the header or JetStream field that exceeds the permissions. */
  | { readonly refused: 'publish-permission'; readonly subject: string; readonly beyond?: string | undefined }
  | { readonly refused: 'reply-permission'; readonly reply: string }
  | { readonly refused: keyof typeof publishLimits; readonly subject: string }
  /** The contract or the application refuses one message. */
  | { readonly refused: 'violation'; readonly subject: string; readonly text: string }

/** Result of an operation: done, refused, or the end of the connection. */
export type Outcome = undefined | Refusal | CloseReason

const simpleTexts = {
  'invalid-subject': 'Invalid Subject',
  /** For pedantic clients only, like in nats-server: nats.go and nats.py close on it. */
  'invalid-publish-subject': 'Invalid Publish Subject',
  'needs-headers': 'Replay Needs Headers',
  'too-many-subscriptions': 'maximum subscriptions exceeded',
} as const

/**
 * Limits of a publish, which nats-server does not have. The text begins as for a missing permission: clients of NATS take
 * only that as an error of one message, and close on others.
 */
const publishLimits = {
  headers: 'headers over the limit',
  data: 'more data than its credentials allow',
  rate: 'a rate over the limit',
  batches: 'a rate of open batches, or a batch, over the limit',
  presence: 'a presence message that is invalid or over a limit',
  upstream: 'more bytes than the upstream takes now',
} as const

/** Limits by the refusals that they cause. */
const limits: Readonly<Record<string, LimitName>> = {
  headers: 'maxHeaders',
  data: 'data',
  rate: 'publishRate',
  batches: 'maxBatchesPerUser',
}

/** The limit that the client has reached. Undefined if the operation was refused for another reason. */
export function limitOf(refusal: Refusal): LimitName | undefined {
  return 'limit' in refusal ? refusal.limit : limits[refusal.refused]
}

/**
 * The refusal of a publish that violates the contract. It names the message id, because another publish to the same subject
 * may be valid.
 * @param headers header block of the message
 */
export function toRefusal(
  violation: Violation,
  { subject, reply }: PublishOp,
  headers: Uint8Array | undefined,
): Refusal {
  if (violation.violates === 'reply') return { refused: 'reply-permission', reply: reply ?? '' }
  if (violation.violates === 'header') return { refused: 'publish-permission', subject, beyond: violation.header }
  const [what, reason] =
    violation.violates === 'data' ? ['invalid data', JSON.stringify(violation.issues)] : ['a refusal', violation.reason]
  const [, id] = readFields(headers).find(([name]) => name.toLowerCase() === ID_HEADER.toLowerCase()) ?? []
  const named = id === undefined || id.length > MAX_ID ? '' : ` in ${JSON.stringify(id)}`
  return { refused: 'violation', subject, text: `${what} ${JSON.stringify(reason)}${named}` }
}

/** The `-ERR` of a refusal. Texts are nats-server's where it has one; see bridge/PROTOCOL.md. */
export function encodeRefusal(refusal: Refusal): Uint8Array {
  return encodeError(textOf(refusal))
}

/** The text of that `-ERR`. */
export function textOf(refusal: Refusal): string {
  switch (refusal.refused) {
    case 'subscribe-permission': {
      const { subject, queue } = refusal
      const using = queue === undefined ? '' : ` using queue ${JSON.stringify(queue)}`
      return `Permissions Violation for Subscription to ${JSON.stringify(subject)}${using}`
    }
    case 'publish-permission':
      return publishViolation(refusal.subject, refusal.beyond)
    case 'violation':
      return publishViolation(refusal.subject, refusal.text)
    case 'reply-permission':
      return `Permissions Violation for Publish with Reply of ${JSON.stringify(refusal.reply)}`
    case 'headers':
    case 'data':
    case 'rate':
    case 'batches':
    case 'presence':
    case 'upstream':
      return publishViolation(refusal.subject, publishLimits[refusal.refused])
    default:
      return simpleTexts[refusal.refused]
  }
}

function publishViolation(subject: string, beyond?: string): string {
  return `Permissions Violation for Publish to ${JSON.stringify(subject)}${beyond === undefined ? '' : ` with ${beyond}`}`
}

/** The refusal of a SUB that an `-ERR` states, with its subject as JSON text. Undefined for all other texts. */
export function parseSubscribeRefusal(
  text: string,
):
  | { readonly refused: keyof typeof simpleTexts }
  | { readonly refused: 'subscribe-permission'; readonly quoted: string }
  | undefined {
  const [, quoted] = /^Permissions Violation for Subscription to (".*")/s.exec(text) ?? []
  if (quoted !== undefined) return { refused: 'subscribe-permission', quoted }
  const refused = (['invalid-subject', 'needs-headers', 'too-many-subscriptions'] as const).find(
    (code) => simpleTexts[code] === text,
  )
  return refused && { refused }
}
