import { decode, encode } from '../../sdk/wire/bytes.ts'
import { filtersOverlap, isSubject, isSubjectFilter } from '../../sdk/wire/subject.ts'
import { type JsonMember, readMembers } from './json-members.ts'
import type { Permitted, Publisher } from './message-permissions.ts'
import { isOwnInbox, mayDoAll, mayPublish, maySubscribe, type Permissions } from './permissions.ts'

type Rule = (publisher: Publisher, value: unknown) => boolean

const DELIVER = 'DELIVER_SUBJECT'
const SUBJECTS = 'SUBJECTS'

/**
 * Fields of JetStream requests by which JetStream publishes or stores messages without a permission check, in capitals.
 * Source: `StreamConfig`, `ConsumerConfig` and `JSApiStreamSnapshotRequest` of nats-server 2.9 to 2.15.
 */
const RULES: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  // Messages of a push consumer, or a snapshot, are published there.
  [
    DELIVER,
    (publisher, to) =>
      isEmpty(to) ||
      isInboxOf(publisher, to) ||
      (isText(to) && isSubject(to) && mayPublish(publisher.permissions, to) && !publisher.isEvent?.(to)),
  ],
  // A stream stores messages of these subjects, and so makes them readable.
  [
    SUBJECTS,
    ({ permissions }, all) =>
      isEmpty(all) ||
      (Array.isArray(all) && all.length <= MAX_SUBJECTS && all.every((one) => mayKeep(permissions, one))),
  ],
  // These copy from any stream or to any subject.
  ...['MIRROR', 'SOURCES', 'REPUBLISH', 'SUBJECT_TRANSFORM'].map((name): [string, Rule] => [
    name,
    ({ permissions }, value) => isEmpty(value) || mayDoAll(permissions),
  ]),
])

/** Requests with such fields, in the domain of this server or of another one. */
const REQUEST =
  /^\$JS\.(?:[^.]+\.)?API\.(?:STREAM\.(?:CREATE|UPDATE|RESTORE|SNAPSHOT|TEMPLATE)|CONSUMER\.(?:CREATE|DURABLE))\./

/** The uploaded snapshot contains consumers, which are not checked. */
const RESTORE = /^\$JS\.(?:[^.]+\.)?API\.STREAM\.RESTORE\./

/** A stream without subjects stores the subject that is its name. */
const STREAM = /^\$JS\.(?:[^.]+\.)?API\.STREAM\.(?:CREATE|UPDATE)\.([^.]+)$/

/** The tokens after the names of stream and consumer are a filter, which may have wildcards. */
const FILTERED = /^\$JS\.(?:[^.*>]+\.)?API\.(?:CONSUMER\.CREATE\.[^.*>]+|DIRECT\.GET)\.[^.*>]+\../

/**
 * Largest body of a request that is checked, in bytes. nats-server takes 128 KiB of metadata, and a consumer with 1,000
 * filters has 60 KiB. Parsing 1 MiB would take the bridge's time from other clients.
 */
const MAX_BODY = 256 * 1024
/** Subjects of one stream. Each is compared with all permissions. */
const MAX_SUBJECTS = 1_024

/** Whether a client can publish to `subject`: without wildcards, but for the filter of a new consumer or of a direct get. */
export function isPublishSubject(subject: string): boolean {
  return isSubject(subject) || (FILTERED.test(subject) && isSubjectFilter(subject))
}

/**
 * Checks the body of a JetStream request, and maps inboxes in it to the broker's. Other messages stay as they are.
 * All other bytes stay the same.
 */
export function permitApiRequest(subject: string, payload: Uint8Array, publisher: Publisher): Permitted {
  if (!REQUEST.test(subject)) return { payload }
  if (RESTORE.test(subject) && !mayDoAll(publisher.permissions)) return { forbidden: 'consumers of the snapshot' }
  if (payload.length > MAX_BODY) return { forbidden: `a body of more than ${MAX_BODY} bytes` }
  const text = decode(payload)
  const fields = readFields(text)
  if (!fields) return { forbidden: 'a body that is not JSON' }
  if (new Set(fields.map(({ key }) => key)).size < fields.length) return { forbidden: 'a duplicate field' }
  const forbidden = fields.find(({ key, value }) => RULES.get(key)?.(publisher, value) === false)
  if (forbidden) return { forbidden: forbidden.name }
  const [, stream] = STREAM.exec(subject) ?? []
  if (stream !== undefined && capturesName(fields) && !mayKeep(publisher.permissions, stream))
    return { forbidden: 'subjects' }
  return { payload: withInboxes(text, fields, publisher) ?? payload }
}

interface Field extends JsonMember {
  /** The name as nats-server compares names. */
  readonly key: string
  readonly value: unknown
}

/** The fields of a body and of its `config` that have rules. Undefined if the body is not JSON. */
function readFields(text: string): Field[] | undefined {
  // White space of JSON (RFC 8259).
  if (/^[ \t\r\n]*$/.test(text)) return []
  try {
    JSON.parse(text)
  } catch {
    return undefined
  }
  // Go reads both values of a duplicate name, into the same field. JSON.parse returns the last one only.
  const top = readMembers(text).map((member) => toField(text, member))
  const configs = top.filter(({ key }) => key === 'CONFIG')
  const nested = configs.flatMap(({ start }) => readMembers(text, start).map((member) => toField(text, member)))
  return [...configs, ...[...top, ...nested].filter(({ key }) => RULES.has(key))]
}

function toField(text: string, member: JsonMember): Field {
  const key = fold(member.name)
  return { ...member, key, value: RULES.has(key) ? JSON.parse(text.slice(member.start, member.end)) : undefined }
}

/** As nats-server: a stream without subjects that copies from no other stream. */
function capturesName(fields: readonly Field[]): boolean {
  return ![SUBJECTS, 'MIRROR', 'SOURCES'].some((name) =>
    fields.some(({ key, value }) => key === name && !isEmpty(value)),
  )
}

/** The text with the broker's names of inboxes to deliver to. Undefined if there are none. */
function withInboxes(text: string, fields: readonly Field[], { inbox }: Publisher): Uint8Array | undefined {
  const inboxes = fields.filter(({ key, value }) => key === DELIVER && isText(value) && isInbox(value))
  if (!inbox || inboxes.length === 0) return undefined
  let [result, end] = ['', 0]
  for (const field of inboxes.toSorted((a, b) => a.start - b.start)) {
    result += text.slice(end, field.start) + JSON.stringify(inbox(field.value as string))
    end = field.end
  }
  return encode(result + text.slice(end))
}

const isText = (value: unknown): value is string => typeof value === 'string'
const isEmpty = (value: unknown) => value === null || value === '' || (Array.isArray(value) && value.length === 0)
const isInbox = (subject: string) => isSubject(subject) && isOwnInbox(subject)
const isInboxOf = ({ inbox }: Publisher, to: unknown) => inbox !== undefined && isText(to) && isInbox(to)

/** As Go's encoding/json compares names, where a long s equals s, and a Kelvin sign k. */
function fold(name: string): string {
  return name.toLowerCase().toUpperCase()
}

function mayKeep(permissions: Permissions, filter: unknown): boolean {
  if (!isText(filter) || !isSubjectFilter(filter)) return false
  // In a body, inboxes have their names at the broker, which are known to all responders.
  return !filtersOverlap(filter, '_INBOX.>') && maySubscribe(permissions, filter) === 'allowed'
}
