import { decode } from '../../sdk/wire/bytes.ts'
import { filtersOverlap, isSubject, isSubjectFilter } from '../../sdk/wire/subject.ts'
import { type JsonMember, readMembers } from './json-members.ts'
import { mayDoAll, mayPublish, maySubscribe, type Permissions } from './permissions.ts'

type Rule = (permissions: Permissions, value: unknown) => boolean

/**
 * Fields of JetStream requests by which JetStream publishes or stores messages without a permission check, in capitals.
 * Source: `StreamConfig`, `ConsumerConfig` and `JSApiStreamSnapshotRequest` of nats-server.
 */
const RULES: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  // Messages of a push consumer, or a snapshot, are published there.
  ['DELIVER_SUBJECT', (permissions, to) => isEmpty(to) || (isText(to) && isSubject(to) && mayPublish(permissions, to))],
  // A stream stores messages of these subjects, and so makes them readable.
  [
    'SUBJECTS',
    (permissions, all) =>
      isEmpty(all) ||
      (Array.isArray(all) && all.length <= MAX_SUBJECTS && all.every((one) => mayKeep(permissions, one))),
  ],
  // These copy from any stream or to any subject.
  ...['MIRROR', 'SOURCES', 'REPUBLISH', 'SUBJECT_TRANSFORM'].map((name): [string, Rule] => [
    name,
    (permissions, value) => isEmpty(value) || mayDoAll(permissions),
  ]),
])

/**
 * Largest body of a request that is checked, in bytes. nats-server takes 128 KiB of metadata, and a consumer with 1,000
 * filters has 60 KiB. Parsing 1 MiB would take the bridge's time from other clients.
 */
const MAX_BODY = 256 * 1024
/** Subjects of one stream. Each is compared with all permissions. */
const MAX_SUBJECTS = 1_024

/** Requests with such fields, in the domain of this server or of another one. */
const REQUEST =
  /^\$JS\.(?:[^.]+\.)?API\.(?:STREAM\.(?:CREATE|UPDATE|RESTORE|SNAPSHOT|TEMPLATE)|CONSUMER\.(?:CREATE|DURABLE))\./

/** The uploaded snapshot contains consumers, which are not checked. */
const RESTORE = /^\$JS\.(?:[^.]+\.)?API\.STREAM\.RESTORE\./

/**
 * The first field of a JetStream request that needs a permission which the client lacks. Undefined if there is none, or if
 * this is another request.
 */
export function forbiddenField(subject: string, payload: Uint8Array, permissions: Permissions): string | undefined {
  if (!REQUEST.test(subject)) return undefined
  if (RESTORE.test(subject) && !mayDoAll(permissions)) return 'consumers of the snapshot'
  if (payload.length > MAX_BODY) return `a body of more than ${MAX_BODY} bytes`
  const text = decode(payload)
  if (text.trim() === '') return undefined
  try {
    JSON.parse(text)
  } catch {
    return 'a body that is not JSON'
  }
  const top = readMembers(text)
  const configs = top.filter(({ name }) => fold(name) === 'CONFIG')
  const objects = [top, ...configs.map(({ start }) => readMembers(text, start))]
  // Go reads both values of a duplicate name, into the same field.
  if (objects.some(hasDuplicates)) return 'a duplicate field'
  for (const { name, start, end } of objects.flat()) {
    const rule = RULES.get(fold(name))
    if (rule && !rule(permissions, JSON.parse(text.slice(start, end)))) return name
  }
  return undefined
}

function hasDuplicates(members: readonly JsonMember[]): boolean {
  const names = members.map(({ name }) => fold(name)).filter((name) => name === 'CONFIG' || RULES.has(name))
  return new Set(names).size < names.length
}

const isText = (value: unknown): value is string => typeof value === 'string'
const isEmpty = (value: unknown) => value === null || value === ''

/** As Go's encoding/json compares names, where a long s equals s, and a Kelvin sign k. */
function fold(name: string): string {
  return name.toLowerCase().toUpperCase()
}

function mayKeep(permissions: Permissions, filter: unknown): boolean {
  if (!isText(filter) || !isSubjectFilter(filter)) return false
  // In a body, inboxes have their names at the broker, which are known to all responders.
  return !filtersOverlap(filter, '_INBOX.>') && maySubscribe(permissions, filter) === 'allowed'
}
