import { decode } from '../../sdk/wire/bytes.ts'
import { filtersOverlap, isSubject, isSubjectFilter } from '../../sdk/wire/subject.ts'
import { mayDoAll, mayPublish, maySubscribe, type Permissions } from './permissions.ts'

type Rule = (permissions: Permissions, value: unknown) => boolean

/**
 * Fields of requests to JetStream's API by which it publishes or stores what no permission was asked for, in capitals.
 * Source: `StreamConfig`, `ConsumerConfig` and `JSApiStreamSnapshotRequest` of nats-server.
 */
const RULES: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  // A push consumer's messages, or a snapshot, are published there.
  [
    'DELIVER_SUBJECT',
    (permissions, to) => isNothing(to) || (isText(to) && isSubject(to) && mayPublish(permissions, to)),
  ],
  // A stream keeps, and so gives away, what is published there.
  [
    'SUBJECTS',
    (permissions, all) => isNothing(all) || (Array.isArray(all) && all.every((one) => mayKeep(permissions, one))),
  ],
  // These copy from streams, to subjects, of whatever name.
  ...['MIRROR', 'SOURCES', 'REPUBLISH', 'SUBJECT_TRANSFORM'].map((name): [string, Rule] => [
    name,
    (permissions, value) => isNothing(value) || mayDoAll(permissions),
  ]),
])

/** Requests that have such fields, in the domain of this server or of another. */
const REQUEST =
  /^\$JS\.(?:[^.]+\.)?API\.(?:STREAM\.(?:CREATE|UPDATE|RESTORE|SNAPSHOT|TEMPLATE)|CONSUMER\.(?:CREATE|DURABLE))\./

/** What is uploaded after it has consumers of its own, and nobody looks into it. */
const RESTORE = /^\$JS\.(?:[^.]+\.)?API\.STREAM\.RESTORE\./

/** A string of JSON, and the colon behind it if it is a name; or where an object or list begins or ends. */
const TOKEN = /("(?:[^"\\]|\\.)*")([ \t\r\n]*:)?|[{}[\]]/g

/**
 * The first field in a request to JetStream by which a client would do what it may not; undefined if there is none, or it
 * is no such request.
 */
export function forbiddenField(subject: string, payload: Uint8Array, permissions: Permissions): string | undefined {
  if (!REQUEST.test(subject)) return undefined
  if (RESTORE.test(subject) && !mayDoAll(permissions)) return 'consumers that come with it'
  const text = decode(payload)
  // White space of JSON (RFC 8259).
  if (/^[ \t\r\n]*$/.test(text)) return undefined
  let body: object
  try {
    body = Object(JSON.parse(text))
  } catch {
    return 'a body that is not JSON'
  }
  const top = Object.entries(body)
  const configs = top.filter(([name]) => fold(name) === 'CONFIG')
  const fields = [...top, ...configs.flatMap(([, config]) => Object.entries(Object(config) as object))]
  const known = fields.filter(([name]) => isKnown(name))
  const forbidden = known.find(([name, value]) => RULES.get(fold(name))?.(permissions, value) === false)
  if (forbidden) return forbidden[0]
  // Go reads a name that comes twice twice, into the same place: here only the last one is seen.
  const written = namesIn(text).filter(isKnown)
  return written.length > known.length ? 'a field that comes twice' : undefined
}

/** The names of a body and of its `config`, as often as they are written. */
function namesIn(text: string): string[] {
  const names: string[] = []
  /** What the objects and lists around are the values of. */
  const around: string[] = []
  let name = ''
  for (const [token, string, colon] of text.matchAll(TOKEN)) {
    if (colon) {
      name = JSON.parse(string as string) as string
      if (around.length === 1 || (around.length === 2 && fold(around[1] as string) === 'CONFIG')) names.push(name)
    } else if (token === '{' || token === '[') around.push(name)
    else if (token === '}' || token === ']') around.pop()
  }
  return names
}

const isKnown = (name: string) => fold(name) === 'CONFIG' || RULES.has(fold(name))
const isText = (value: unknown): value is string => typeof value === 'string'
const isNothing = (value: unknown) => value === null || value === ''

/** As Go's encoding/json compares names: a long s is an s there, and a Kelvin sign a k. */
function fold(name: string): string {
  return name.toLowerCase().toUpperCase()
}

function mayKeep(permissions: Permissions, filter: unknown): boolean {
  if (!isText(filter) || !isSubjectFilter(filter)) return false
  // Inboxes in a body are the broker's own, and so anybody's whose name a request has shown.
  return !filtersOverlap(filter, '_INBOX.>') && maySubscribe(permissions, filter) === 'allowed'
}
