import type { JWTPayload } from 'jose'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { trimBlanks } from '../../sdk/wire/header-fields.ts'
import { isSubjectFilter } from '../../sdk/wire/subject.ts'
import type { Permissions, ReplyPermission, SubjectRules } from './permissions.ts'

const PLACEHOLDER = /\{\{([^{}]*)\}\}/g
/**
 * One subject token without wildcards and separators, and not reserved by NATS or the bridge. So a claim can't widen a
 * permission.
 */
const SAFE_TOKEN = /^(?!\$)(?!_INBOX$)[^.*> {}\p{Cc}]+$/u

/**
 * Replaces `{{claim}}` with claims of a token, as in `chat.{{sub}}.>`.
 * @throws SpanwireError `invalid-subject` if a claim is missing or is not one plain subject token
 */
export function fillTemplate(template: string, claims: JWTPayload): string {
  return template.replace(PLACEHOLDER, (_, expression: string) => {
    const name = trimBlanks(expression)
    const value = claims[name]
    const token = typeof value === 'number' ? String(value) : value
    if (typeof token !== 'string' || !SAFE_TOKEN.test(token)) {
      throw new SpanwireError(
        'invalid-subject',
        `The claim ${name} is missing or is not one subject token, which ${template} needs.`,
      )
    }
    return token
  })
}

/**
 * Permissions of the claim `nats`, in the format of a NATS user JWT: `{ pub, sub, resp }`. Everything else is denied.
 * @throws SpanwireError `invalid-subject` if any part is malformed: a deny must not be skipped
 */
export function toPermissions(claims: JWTPayload): Permissions {
  const nats = asRecord(claims.nats, 'nats', ['pub', 'sub', 'resp', 'type', 'version'])
  const reply = toReplyPermission(nats.resp)
  return {
    publish: toRules(nats.pub, 'pub', claims),
    subscribe: toRules(nats.sub, 'sub', claims),
    ...(reply && { reply }),
  }
}

function toRules(value: unknown, name: string, claims: JWTPayload): SubjectRules {
  const rules = asRecord(value, `nats.${name}`, ['allow', 'deny'])
  return { allow: toFilters(rules.allow, `${name}.allow`, claims), deny: toFilters(rules.deny, `${name}.deny`, claims) }
}

function toFilters(value: unknown, name: string, claims: JWTPayload): string[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) throw malformed(`nats.${name} must be an array of subject filters`)
  return value.map((item) => {
    const filter = typeof item === 'string' ? fillTemplate(item, claims) : ''
    if (!isSubjectFilter(filter)) throw malformed(`nats.${name} must be an array of subject filters`)
    return filter
  })
}

/** nats-server's defaults: one reply within two minutes. */
const REPLY_MAX = 1
const REPLY_TTL = 120_000

/**
 * Reads `resp: { max, ttl }`. `ttl` is in ns, as in a NATS user JWT. 0 means nats-server's default, a negative number no
 * limit.
 */
export function toReplyPermission(value: unknown): ReplyPermission | undefined {
  if (value === undefined || value === null) return undefined
  const { max = 0, ttl = 0 } = asRecord(value, 'nats.resp', ['max', 'ttl'])
  if (typeof max !== 'number' || typeof ttl !== 'number') throw malformed('nats.resp must be { max, ttl }')
  return { max: max || REPLY_MAX, ttl: ttl > 0 ? ttl / 1e6 : ttl || REPLY_TTL }
}

/** An unknown member is a typing error, such as `Deny`, or a limit that the bridge would not keep. */
function asRecord(value: unknown, name: string, members: readonly string[]): Record<string, unknown> {
  if (value === undefined) return {}
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(`${name} must be an object`)
  const unknown = Object.keys(value).find((key) => !members.includes(key))
  if (unknown !== undefined)
    throw malformed(`${name} has an unknown member ${JSON.stringify(unknown)}. It may have ${members.join(', ')}`)
  return value as Record<string, unknown>
}

function malformed(what: string): SpanwireError {
  return new SpanwireError('invalid-subject', `The claim ${what}.`)
}
