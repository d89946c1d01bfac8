import { encodeError } from '../../sdk/wire/server-op.ts'
import type { CloseReason } from './close-reason.ts'

/** Why the bridge refuses one operation. The connection stays open. */
export type Refusal =
  | { readonly refused: 'invalid-subject' | 'invalid-publish-subject' | 'needs-headers' | 'too-many-subscriptions' }
  | { readonly refused: 'subscribe-permission'; readonly subject: string; readonly queue: string | undefined }
  /** `beyond` names the header or JetStream field that exceeds the permissions. */
  | { readonly refused: 'publish-permission'; readonly subject: string; readonly beyond?: string | undefined }
  | { readonly refused: 'reply-permission'; readonly reply: string }
  | { readonly refused: 'headers' | 'data' | 'rate' | 'presence'; readonly subject: string }

/** Result of an operation: done, refused, or the end of the connection. */
export type Outcome = undefined | Refusal | CloseReason

const simpleTexts = {
  'invalid-subject': 'Invalid Subject',
  'invalid-publish-subject': 'Invalid Publish Subject',
  'needs-headers': 'Replay Needs Headers',
  'too-many-subscriptions': 'maximum subscriptions exceeded',
} as const

/** Limits of a publish. nats-server has no texts for them. */
const violations = {
  headers: 'Headers Violation',
  data: 'Data Violation',
  rate: 'Rate Violation',
  presence: 'Presence Violation',
} as const

/** The `-ERR` of a refusal. Texts are nats-server's where it has one; see bridge/PROTOCOL.md. */
export function encodeRefusal(refusal: Refusal): Uint8Array {
  return encodeError(textOf(refusal))
}

function textOf(refusal: Refusal): string {
  switch (refusal.refused) {
    case 'subscribe-permission': {
      const { subject, queue } = refusal
      const using = queue === undefined ? '' : ` using queue ${JSON.stringify(queue)}`
      return `Permissions Violation for Subscription to ${JSON.stringify(subject)}${using}`
    }
    case 'publish-permission': {
      const { subject, beyond } = refusal
      const why = beyond === undefined ? '' : ` with ${beyond}`
      return `Permissions Violation for Publish to ${JSON.stringify(subject)}${why}`
    }
    case 'reply-permission':
      return `Permissions Violation for Publish with Reply of ${JSON.stringify(refusal.reply)}`
    case 'headers':
    case 'data':
    case 'rate':
    case 'presence':
      return `${violations[refusal.refused]} for Publish to ${JSON.stringify(refusal.subject)}`
    default:
      return simpleTexts[refusal.refused]
  }
}

/** The refusal of a SUB that an `-ERR` states, with its subject as JSON text. Undefined for all other texts. */
export function parseSubscribeRefusal(
  text: string,
):
  | { readonly refused: 'invalid-subject' | 'needs-headers' | 'too-many-subscriptions' }
  | { readonly refused: 'subscribe-permission'; readonly quoted: string }
  | undefined {
  const [, quoted] = /^Permissions Violation for Subscription to (".*")/.exec(text) ?? []
  if (quoted !== undefined) return { refused: 'subscribe-permission', quoted }
  const refused = (['invalid-subject', 'needs-headers', 'too-many-subscriptions'] as const).find(
    (code) => simpleTexts[code] === text,
  )
  return refused && { refused }
}
