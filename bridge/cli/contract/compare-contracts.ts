/** Whether a new contract works with publishers and subscribers that are deployed with an old one. */
import { type Break, findBreaks } from '../schema/find-breaks.ts'
import { jsonEqual } from '../schema/json-equal.ts'
import type { EventDescription } from './event-description.ts'
import { propertyPaths } from './property-paths.ts'

/** Programs that are deployed with the old contract and would be affected. */
export type Affected = 'publishers' | 'subscribers' | 'requesters' | 'responders'

/** A reason why a change does not work with deployed programs. */
export interface ContractBreak extends Break {
  readonly affects: Affected
}

/**
 * The change of an event. `narrowed`: less is accepted than deployed publishers send. `widened`: more is sent than
 * deployed subscribers accept. `changed`: it differs, and deployed programs keep working.
 */
export type Verdict = 'added' | 'removed' | 'narrowed' | 'widened' | 'narrowed and widened' | 'changed' | 'unchanged'

/** One event of both contracts. */
export interface EventChange {
  /** Its name in the new contract; in the old one, if it was removed. */
  readonly event: string
  readonly verdict: Verdict
  /** Differences, such as properties that were added. */
  readonly notes: readonly string[]
  readonly breaks: readonly ContractBreak[]
}

/** Events are the same where their subjects are: a parameter may have another name. */
export function compareContracts(
  before: readonly EventDescription[],
  after: readonly EventDescription[],
): EventChange[] {
  const old = new Map(before.map((event) => [event.filter, event]))
  const removed = before.filter(({ filter }) => !after.some((event) => event.filter === filter))
  return [
    ...after.map((event): EventChange => {
      const previous = old.get(event.filter)
      return previous ? compareEvents(previous, event) : { event: event.name, verdict: 'added', notes: [], breaks: [] }
    }),
    ...removed.map(removedEvent),
  ]
}

function removedEvent({ name, reply }: EventDescription): EventChange {
  const gone = (affects: Affected, reason: string) => ({ affects, path: '', reason, isUnclear: false })
  return {
    event: name,
    verdict: 'removed',
    notes: [],
    breaks: [
      gone(reply ? 'requesters' : 'publishers', 'programs with the new contract do not receive it'),
      gone(reply ? 'responders' : 'subscribers', 'programs with the new contract do not send it'),
    ],
  }
}

function compareEvents(before: EventDescription, after: EventDescription): EventChange {
  const senders: Affected = before.reply ? 'requesters' : 'publishers'
  const receivers: Affected = before.reply ? 'responders' : 'subscribers'
  const [old, now] = [before.version ?? 1, after.version ?? 1]
  // Programs with the new contract upgrade old data. Those with the old one report new data as `newer-version`.
  const isUpgraded = now > old
  const narrowed = [
    ...(isUpgraded ? [] : schemaBreaks(before, after, senders, '')),
    ...(before.reply && after.reply ? schemaBreaks(before.reply, after.reply, 'responders', 'reply') : []),
  ]
  const widened = [
    ...(isUpgraded ? [] : schemaBreaks(after, before, receivers, '')),
    ...(before.reply && after.reply ? schemaBreaks(after.reply, before.reply, 'requesters', 'reply') : []),
  ]
  const breaks = [...narrowed, ...widened, ...settingBreaks(before, after)]
  const notes = notesOf(before, after)
  const isSame = notes.length === 0 && jsonEqual(withoutNames(before), withoutNames(after))
  const verdict =
    narrowed.length > 0 && widened.length > 0
      ? 'narrowed and widened'
      : narrowed.length > 0
        ? 'narrowed'
        : widened.length > 0
          ? 'widened'
          : isSame
            ? 'unchanged'
            : 'changed'
  return { event: after.name, verdict, notes, breaks }
}

interface Described {
  readonly schema?: EventDescription['schema']
  readonly noSchema?: string
}

/** @param where prefix of the paths: empty for the event's own data */
function schemaBreaks(writer: Described, reader: Described, affects: Affected, where: string): ContractBreak[] {
  if (writer.schema && reader.schema)
    return findBreaks(writer.schema, reader.schema).map((one) => ({ ...one, path: join(where, one.path), affects }))
  // Bytes have no schema, and both are bytes.
  if (!writer.schema && !reader.schema && writer.noSchema === reader.noSchema && isBytes(writer)) return []
  const reason = `can't be compared: ${writer.noSchema ?? reader.noSchema ?? 'the schema is missing'}`
  return [{ affects, path: where, reason, isUnclear: true }]
}

function isBytes({ noSchema }: Described): boolean {
  return noSchema?.startsWith('Its data is ') === true
}

function join(where: string, path: string): string {
  return [where, path].filter((part) => part !== '').join('.')
}

/** Changes of settings other than the schema. */
function settingBreaks(before: EventDescription, after: EventDescription): ContractBreak[] {
  const found: ContractBreak[] = []
  const say = (affects: Affected, reason: string) => found.push({ affects, path: '', reason, isUnclear: false })
  const [version = 1, next = 1] = [before.version, after.version]
  if (next < version)
    say('publishers', `its version was ${version}, and is ${next}: deployed publishers send a newer version`)
  if (before.contentType !== after.contentType) {
    const change = `the data was ${before.contentType}, and is ${after.contentType}`
    say('publishers', change)
    say('subscribers', change)
  }
  if (before.stream !== undefined && before.stream !== after.stream)
    say(
      'subscribers',
      after.stream === undefined
        ? `the stream ${before.stream} does not keep it any more: past events can't be read`
        : `it moved from the stream ${before.stream} to ${after.stream}: cursors and consumers belong to one stream`,
    )
  if (before.reply && !after.reply) say('requesters', 'it is not a request any more')
  return found
}

function notesOf(before: EventDescription, after: EventDescription): string[] {
  const [old, now] = [propertyPaths(before.schema), propertyPaths(after.schema)]
  const notes = [
    ...now.filter((path) => !old.includes(path)).map((path) => `added ${path}`),
    ...old.filter((path) => !now.includes(path)).map((path) => `removed ${path}`),
  ]
  const [version = 1, next = 1] = [before.version, after.version]
  if (next > version) notes.push(`version ${version} -> ${next}: deploy subscribers before publishers`)
  if (before.name !== after.name) notes.push(`renamed from ${before.name}: the subjects are the same`)
  if (before.stream === undefined && after.stream !== undefined) notes.push(`kept in the stream ${after.stream}`)
  if (!before.reply && after.reply) notes.push('it is a request')
  return notes
}

function withoutNames({ name: _, params: __, ...rest }: EventDescription): object {
  return rest
}
