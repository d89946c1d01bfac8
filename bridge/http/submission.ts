import type { Context } from 'hono'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { ID_HEADER, NATS_HEADERS, TIME_HEADER } from '../../sdk/wire/header-names.ts'
import { encodeHeaders, type HeaderFields, parseHeaders } from '../../sdk/wire/headers.ts'
import { isPublishSubject } from '../auth/api-permissions.ts'
import type { Identity } from '../auth/identity.ts'
import { permitMessage } from '../auth/message-permissions.ts'
import { isReserved, mayPublish } from '../auth/permissions.ts'
import { readCommands } from '../auth/server-commands.ts'
import { toBrokerHeaders } from '../delivery/client-headers.ts'
import { ORIGIN_HEADER } from '../delivery/origin-header.ts'
import { SubjectScope } from '../delivery/subject-scope.ts'
import type { HubCore } from '../hub/hub-core.ts'
import type { LimitName } from '../log/reached-limits.ts'
import type { UpstreamMessage } from '../upstream/upstream.ts'
import { readBody } from './body.ts'
import type { BridgeEnv } from './identify.ts'
import { readTraceHeaders } from './trace-headers.ts'

/** Conditions for a stream to store a message. Each is a header of HTTP and of NATS. */
export const EXPECTATIONS = ['Nats-Expected-Last-Sequence', 'Nats-Expected-Last-Subject-Sequence'] as const

/** A publish by HTTP. */
export interface Submission {
  readonly subject: string
  readonly payload: Uint8Array
  readonly headers: HeaderFields
  /** Becomes `Nats-Msg-Id`. */
  readonly id?: string | undefined
}

/**
 * Checks a submission and builds its message. Adds an id and a time if it has none.
 * @throws SpanwireError `invalid-subject`, `permission-denied`, `payload-too-large`, `invalid-header`, `rate-limited`
 */
export function toMessage(submission: Submission, identity: Identity, hub: HubCore): UpstreamMessage {
  const { subject, payload } = submission
  const { permissions, subjectPrefix } = identity
  const { maxPayload } = hub
  const { maxHeaders } = hub.limits
  checkSubject(subject, identity, hub)
  const fields = submission.headers.filter(
    // An origin header of its own could keep the message from a client with `echo: false`.
    ([name]) => name !== ORIGIN_HEADER && (submission.id === undefined || name !== ID_HEADER),
  )
  const names = new Set(fields.map(([name]) => name))
  const headers = encodeHeaders([
    ...(names.has(ID_HEADER) ? [] : [[ID_HEADER, submission.id ?? crypto.randomUUID()] as const]),
    ...(names.has(TIME_HEADER) ? [] : [[TIME_HEADER, String(Date.now())] as const]),
    ...fields,
  ])
  const limited = (limit: LimitName) => hub.log.limit(limit, identity.user, () => ({}))
  if (headers.length > maxHeaders) {
    limited('maxHeaders')
    throw new SpanwireError(
      'payload-too-large',
      `The headers have ${headers.length} bytes. At most ${maxHeaders} are allowed.`,
    )
  }
  if (!hub.users.meter(identity.user, headers.length + payload.length)) {
    limited('publishRate')
    throw rateLimited()
  }
  if (headers.length + payload.length > maxPayload) {
    limited('maxPayload')
    throw new SpanwireError(
      'payload-too-large',
      `Headers and payload have ${headers.length + payload.length} bytes. At most ${maxPayload} are allowed.`,
    )
  }
  const target = subjectPrefix === undefined ? subject : `${subjectPrefix}.${subject}`
  const permitted = permitMessage(
    { subject: target, headers, payload },
    {
      permissions,
      prefixed: subjectPrefix !== undefined,
      isEvent: (to) => hub.contract?.hasEvent(to) ?? false,
    },
  )
  if ('forbidden' in permitted)
    throw new SpanwireError(
      'permission-denied',
      `Permissions Violation for Publish to "${subject}" with ${permitted.forbidden}`,
    )
  const { ignored, batch } = readCommands(headers, hub.upstream.info)
  if (ignored !== undefined)
    throw new SpanwireError('permission-denied', `Permissions Violation for Publish to "${subject}" with ${ignored}`)
  if (batch && !hub.users.batch(identity.user, batch)) {
    limited('maxBatchesPerUser')
    throw new SpanwireError(
      'rate-limited',
      'The batch, or the number of open batches, is over the limit. Commit first.',
    )
  }
  if (isReserved(target))
    throw new SpanwireError('permission-denied', 'Subjects under $EDGE are reserved for the bridge.')
  return { subject: target, headers: toBrokerHeaders(headers, httpScope(identity)), payload: permitted.payload }
}

export function rateLimited(): SpanwireError {
  return new SpanwireError('rate-limited', 'The publish rate is over the limit. Try again in a second.')
}

/** The scope of an HTTP client, which has no inboxes. */
export function httpScope({ subjectPrefix }: Identity): SubjectScope {
  return new SubjectScope(subjectPrefix, 'http')
}

/**
 * Reads a request: its body is the payload. The body is read last, once the caller may publish it.
 * @throws SpanwireError as {@link readBody}, and `invalid-subject`, `permission-denied`, `invalid-header`
 */
export async function readSubmission(c: Context<BridgeEnv>, subject: string, hub: HubCore): Promise<Submission> {
  checkSubject(subject, c.get('identity'), hub)
  const given = readNatsHeaders(c)
  const { bodyTimeout: timeout } = hub.limits
  const submission = {
    subject,
    headers: [
      ...given,
      ...readTraceHeaders((name) => c.req.header(name), given),
      ...EXPECTATIONS.flatMap((name) => {
        const text = c.req.header(name)
        return text === undefined ? [] : [readExpectation(name, text)]
      }),
    ],
    id: c.req.header('Idempotency-Key'),
  }
  const payload = await readBody(c, { max: hub.maxPayload, timeout, memory: c.get('memory') })
  return { ...submission, payload }
}

/** @throws SpanwireError `invalid-subject`, `permission-denied` */
function checkSubject(subject: string, { permissions }: Identity, { limits }: HubCore): void {
  if (!isPublishSubject(subject) || subject.length > limits.maxSubjectLength)
    throw new SpanwireError('invalid-subject', `${JSON.stringify(subject)} is not a valid subject.`)
  if (!mayPublish(permissions, subject))
    throw new SpanwireError('permission-denied', `Permissions Violation for Publish to "${subject}"`)
}

/** @throws SpanwireError `invalid-argument` */
export function readExpectation(name: string, text: string): readonly [string, string] {
  if (/^\d{1,16}$/.test(text)) return [name, text]
  throw new SpanwireError(
    'invalid-argument',
    `${name} (expectLastSeq, expectLastSubjectSeq) must be a sequence, such as 42.`,
  )
}

function readNatsHeaders(c: Context): HeaderFields {
  const text = c.req.header(NATS_HEADERS)
  if (text === undefined) return []
  try {
    return checkHeaders(JSON.parse(decodeURIComponent(text)))
  } catch (cause) {
    throw new SpanwireError(
      'invalid-header',
      `${NATS_HEADERS} must be a percent-encoded JSON array of [name, value].`,
      { cause },
    )
  }
}

/** Headers of a reply. Empty if they are not a header block: NATS passes on any bytes. */
export function readReplyHeaders(block: Uint8Array | undefined): {
  readonly status?: number | undefined
  readonly fields: HeaderFields
} {
  try {
    return block ? parseHeaders(block) : { fields: [] }
  } catch {
    return { fields: [] }
  }
}

/** Headers of a reply, for the HTTP response. Undefined if it has none. */
export function writeNatsHeaders(block: Uint8Array | undefined): string | undefined {
  const { fields } = readReplyHeaders(block)
  return fields.length > 0 ? encodeURIComponent(JSON.stringify(fields)) : undefined
}

/** @throws SpanwireError `invalid-header` */
export function checkHeaders(value: unknown): HeaderFields {
  const isField = (field: unknown) =>
    Array.isArray(field) && field.length === 2 && field.every((part) => typeof part === 'string')
  if (!Array.isArray(value) || !value.every(isField)) {
    throw new SpanwireError('invalid-header', 'headers must be an array of [name, value].')
  }
  return value
}
