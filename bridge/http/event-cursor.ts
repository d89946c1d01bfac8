import { SpanwireError } from '../../sdk/wire/errors.ts'

/** Where a reader of one filter is: the stream, by what tells it from every other, and the sequence that comes next. */
export interface Position {
  /** See {@link streamMark}. */
  readonly stream: string
  readonly next: number
}

/**
 * Where a reader of several filters is: by filter, `undefined` for one that no stream keeps. A filter that isn't in it
 * has not begun.
 */
export type EventCursor = ReadonlyMap<string, Position | undefined>

/** In characters. Anybody may send one, and it is read before anything else of the request is known to be good. */
const MAX_LENGTH = 2_048
const ENTRY = /^([0-9a-z]{1,7})(?:\.([0-9a-z]{1,14})\.([1-9a-z][0-9a-z]{0,10}))?$/

/** Writes a cursor: short, since every event carries it, and of characters that need no escape in a URL or a header. */
export function encodeCursor(cursor: EventCursor): string {
  return [...cursor]
    .map(([filter, at]) => (at ? `${hash(filter)}.${at.stream}.${at.next.toString(36)}` : hash(filter)))
    .join('~')
}

/**
 * Reads what {@link encodeCursor} wrote, for those of its filters that are asked for.
 * @throws SpanwireError `invalid-argument`
 */
export function parseCursor(text: string, filters: readonly string[]): EventCursor {
  const entries = new Map<string, Position | undefined>()
  for (const entry of text.slice(0, MAX_LENGTH + 1).split('~')) {
    const [, key, stream, digits = '0'] = ENTRY.exec(entry) ?? []
    const next = Number.parseInt(digits, 36)
    if (key === undefined || text.length > MAX_LENGTH || !Number.isSafeInteger(next)) {
      throw new SpanwireError('invalid-argument', 'The cursor is not one that this bridge gave: begin without it.')
    }
    entries.set(key, stream === undefined ? undefined : { stream, next })
  }
  const cursor = new Map<string, Position | undefined>()
  for (const filter of filters) {
    const key = hash(filter)
    if (entries.has(key)) cursor.set(filter, entries.get(key))
  }
  return cursor
}

/** What tells a stream from every other, and from a later one of the same name. */
export function streamMark(name: string, epoch: string): string {
  const text = `${name} ${epoch}`
  return hash(text) + hash(`${epoch} ${name}`).padStart(7, '0')
}

/** FNV-1a over the text's code units, 32 bits. Who forges one fools only themselves. */
function hash(text: string): string {
  let state = 0x811c9dc5
  for (let i = 0; i < text.length; i++) state = Math.imul(state ^ text.charCodeAt(i), 0x01000193)
  return (state >>> 0).toString(36)
}
