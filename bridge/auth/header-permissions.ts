import { decode, encode } from '../../sdk/wire/bytes.ts'
import { isSubject } from '../../sdk/wire/subject.ts'
import { mayPublish, mayPublishAll, mayRead, type Permissions } from './permissions.ts'

/** Under a prefix (`prefixed`) a header would name the broker's own subjects, so that it may name none. */
type Rule = (permissions: Permissions, value: string, prefixed: boolean) => boolean

const publishes: Rule = (permissions, subject, prefixed) =>
  !prefixed && isSubject(subject) && mayPublish(permissions, subject)
const reads: Rule = (permissions, subject, prefixed) => !prefixed && isSubject(subject) && mayRead(permissions, subject)
const rollsUp: Rule = (permissions, what, prefixed) => what === 'sub' || (!prefixed && mayPublishAll(permissions))

/**
 * Headers by which a message does more at nats-server than arrive on its own subject, in small letters, and what that
 * takes. nats-server asks for permission for the first one only, and asks the bridge's, which may do all.
 * Sources: ADR-41 (message tracing), ADR-51 (scheduler), https://docs.nats.io/nats-concepts/jetstream/headers
 */
const RULES: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  // The message's way is published there: servers, and who has it.
  ['nats-trace-dest', publishes],
  // Later the message is published there,
  ['nats-schedule-target', publishes],
  // or the last one that is here,
  ['nats-schedule-source', reads],
  // and the schedule goes that is there.
  ['nats-scheduler', publishes],
  // `all` empties the stream, of whatever subjects.
  ['nats-rollup', rollsUp],
])

const CR = 13
const LF = 10
const PREFIX = encode('nats-')
/** What comes behind the prefix: most headers of most messages are told apart by it. */
const INITIALS = new Set([...RULES.keys()].map((name) => name.charCodeAt(PREFIX.length)))

/**
 * The first header in a block by which a client would do what it may not; undefined if there is none.
 * @param prefixed whether the client's subjects have a prefix
 */
export function forbiddenHeader(block: Uint8Array, permissions: Permissions, prefixed: boolean): string | undefined {
  // nats-server takes a name only where a line begins, and a value to the line's end.
  for (let at = block.indexOf(CR); at >= 0; at = block.indexOf(CR, at + 1)) {
    const start = at + 2
    if (!mayHaveRule(block, start)) continue
    const end = block.indexOf(CR, start)
    const line = decode(block.subarray(start, end < 0 ? block.length : end))
    const [name = ''] = line.split(':', 1)
    const rule = RULES.get(name.toLowerCase())
    if (!rule) continue
    const whole = end >= 0 && block[end + 1] === LF
    // As nats-server does: blanks before a value are skipped, any other white space is part of it.
    const value = line.slice(name.length + 1).replace(/^ +/, '')
    if (!whole || !rule(permissions, value, prefixed)) return name
  }
}

/** Also in capitals, which are the small letters with their 6th bit; '-' has it. */
function mayHaveRule(block: Uint8Array, start: number): boolean {
  for (let i = 0; i < PREFIX.length; i++) if (((block[start + i] ?? 0) | 32) !== PREFIX[i]) return false
  return INITIALS.has((block[start + PREFIX.length] ?? 0) | 32)
}
