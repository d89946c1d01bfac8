import { decode } from '../../sdk/wire/bytes.ts'
import { filtersOverlap, isSubject, isSubjectFilter } from '../../sdk/wire/subject.ts'
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
    (permissions, all) => isEmpty(all) || (Array.isArray(all) && all.every((one) => mayKeep(permissions, one))),
  ],
  // These copy from any stream or to any subject.
  ...['MIRROR', 'SOURCES', 'REPUBLISH', 'SUBJECT_TRANSFORM'].map((name): [string, Rule] => [
    name,
    (permissions, value) => isEmpty(value) || mayDoAll(permissions),
  ]),
])

/** Requests with such fields, in the domain of this server or of another one. */
const REQUEST =
  /^\$JS\.(?:[^.]+\.)?API\.(?:STREAM\.(?:CREATE|UPDATE|RESTORE|SNAPSHOT|TEMPLATE)|CONSUMER\.(?:CREATE|DURABLE))\./

/** The uploaded snapshot contains consumers, which are not checked. */
const RESTORE = /^\$JS\.(?:[^.]+\.)?API\.STREAM\.RESTORE\./

/** A JSON string, with the colon after it if it is a name; or the beginning or end of an object or array. */
const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|[{}[\]]/g

/**
 * The first field of a JetStream request that needs a permission which the client lacks. Undefined if there is none, or if
 * this is another request.
 */
export function forbiddenField(subject: string, payload: Uint8Array, permissions: Permissions): string | undefined {
  if (!REQUEST.test(subject)) return undefined
  if (RESTORE.test(subject) && !mayDoAll(permissions)) return 'consumers of the snapshot'
  const text = decode(payload)
  if (text.trim() === '') return undefined
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
  // Go reads both values of a duplicate name, into the same field. JSON.parse returns the last one only.
  const written = namesIn(text).filter(isKnown)
  return written.length > known.length ? 'a duplicate field' : undefined
}

/** All names in a body and in its `config`, with duplicates. */
function namesIn(text: string): string[] {
  const names: string[] = []
  /** Names of the enclosing objects and arrays. */
  const path: string[] = []
  let name = ''
  for (const [token, string, colon] of text.matchAll(TOKEN)) {
    if (colon) {
      name = JSON.parse(string as string) as string
      if (path.length === 1 || (path.length === 2 && fold(path[1] as string) === 'CONFIG')) names.push(name)
    } else if (token === '{' || token === '[') path.push(name)
    else if (token === '}' || token === ']') path.pop()
  }
  return names
}

const isKnown = (name: string) => fold(name) === 'CONFIG' || RULES.has(fold(name))
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
