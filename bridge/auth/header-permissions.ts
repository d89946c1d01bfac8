import { decode, encode } from '../../sdk/wire/bytes.ts'
import { isSubject } from '../../sdk/wire/subject.ts'
import { mayPublish, mayPublishAll, mayRead, type Permissions } from './permissions.ts'

/** With a subject prefix (`prefixed`) a client must not name subjects in headers: they are the broker's. */
type Rule = (permissions: Permissions, value: string, prefixed: boolean) => boolean

const publishes: Rule = (permissions, subject, prefixed) =>
  !prefixed && isSubject(subject) && mayPublish(permissions, subject)
const reads: Rule = (permissions, subject, prefixed) => !prefixed && isSubject(subject) && mayRead(permissions, subject)
const rollsUp: Rule = (permissions, what, prefixed) => what === 'sub' || (!prefixed && mayPublishAll(permissions))

/**
 * Headers that are commands to nats-server, in lower case, and the permissions that they need. nats-server checks the first
 * one only, and checks the bridge's user, which may do everything.
 * Sources: ADR-41 (message tracing), ADR-51 (scheduler), https://docs.nats.io/nats-concepts/jetstream/headers
 */
const RULES: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  // nats-server publishes a trace there, with servers and subscribers.
  ['nats-trace-dest', publishes],
  // The message is published there later,
  ['nats-schedule-target', publishes],
  // or the last message of this subject,
  ['nats-schedule-source', reads],
  // and the schedule of this subject ends.
  ['nats-scheduler', publishes],
  // `all` removes all messages of the stream, with any subject.
  ['nats-rollup', rollsUp],
])

const CR = 13
const LF = 10
const PREFIX = encode('nats-')
/** First letters after the prefix. They rule out most headers. */
const INITIALS = new Set([...RULES.keys()].map((name) => name.charCodeAt(PREFIX.length)))

/**
 * The first header that needs a permission which the client lacks. Undefined if there is none.
 * @param prefixed whether the client has a subject prefix
 */
export function forbiddenHeader(block: Uint8Array, permissions: Permissions, prefixed: boolean): string | undefined {
  // nats-server reads a name at the beginning of a line, and its value up to the end of the line.
  for (let at = block.indexOf(CR); at >= 0; at = block.indexOf(CR, at + 1)) {
    const start = at + 2
    if (!mayHaveRule(block, start)) continue
    const end = block.indexOf(CR, start)
    const line = decode(block.subarray(start, end < 0 ? block.length : end))
    const [name = ''] = line.split(':', 1)
    const rule = RULES.get(name.toLowerCase())
    if (!rule) continue
    const whole = end >= 0 && block[end + 1] === LF
    const value = line.slice(name.length + 1).trimStart()
    if (!whole || !rule(permissions, value, prefixed)) return name
  }
}

/** Ignores case: lower case letters have the 6th bit, and so has '-'. */
function mayHaveRule(block: Uint8Array, start: number): boolean {
  for (let i = 0; i < PREFIX.length; i++) if (((block[start + i] ?? 0) | 32) !== PREFIX[i]) return false
  return INITIALS.has((block[start + PREFIX.length] ?? 0) | 32)
}
