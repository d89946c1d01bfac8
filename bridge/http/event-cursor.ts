import { SpanwireError } from '../../sdk/wire/errors.ts'

/** Position of a reader in the stream of one filter. */
export interface StreamPosition {
  /** See {@link streamKey}. */
  readonly stream: string
  /** The next sequence. */
  readonly next: number
}

/**
 * Positions of a reader by filter. `undefined` for a filter that no stream keeps. A filter that is not in it has not begun.
 */
export type EventCursor = ReadonlyMap<string, StreamPosition | undefined>

/** In characters. A cursor is parsed before the token is verified. */
const MAX_LENGTH = 2_048
const ENTRY = /^([0-9a-z]{1,7})(?:\.([0-9a-z]{1,14})\.([1-9a-z][0-9a-z]{0,10}))?$/

/** Encodes a cursor. It is short, because every event has one, and needs no escapes in URLs and headers. */
export function encodeCursor(cursor: EventCursor): string {
  return [...cursor]
    .map(([filter, at]) => (at ? `${hash(filter)}.${at.stream}.${at.next.toString(36)}` : hash(filter)))
    .join('~')
}

/**
 * Parses a cursor, for the given filters.
 * @throws SpanwireError `invalid-argument`
 */
export function parseCursor(text: string, filters: readonly string[]): EventCursor {
  const entries = new Map<string, StreamPosition | undefined>()
  for (const entry of text.slice(0, MAX_LENGTH + 1).split('~')) {
    const [, key, stream, digits = '0'] = ENTRY.exec(entry) ?? []
    const next = Number.parseInt(digits, 36)
    if (key === undefined || text.length > MAX_LENGTH || !Number.isSafeInteger(next)) {
      throw new SpanwireError('invalid-argument', 'The cursor is not valid. Use the id of an event, or omit it.')
    }
    entries.set(key, stream === undefined ? undefined : { stream, next })
  }
  const cursor = new Map<string, StreamPosition | undefined>()
  for (const filter of filters) {
    const key = hash(filter)
    if (entries.has(key)) cursor.set(filter, entries.get(key))
  }
  return cursor
}

/** Identifies a stream, also among later ones of the same name. */
export function streamKey(name: string, epoch: string): string {
  const text = `${name} ${epoch}`
  return hash(text) + hash(`${epoch} ${name}`).padStart(7, '0')
}

/** FNV-1a over UTF-16 code units, 32 bits. Not secret: a forged cursor only affects its sender. */
function hash(text: string): string {
  let state = 0x811c9dc5
  for (let i = 0; i < text.length; i++) state = Math.imul(state ^ text.charCodeAt(i), 0x01000193)
  return (state >>> 0).toString(36)
}
