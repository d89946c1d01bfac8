/** Errors of a server. Part of the first load: they decide whether an operation was refused. */
import { decode, encode } from '../../wire/bytes.ts'
import { SpanwireError, type SpanwireErrorCode } from '../../wire/errors.ts'
import { invalidData } from '../../wire/invalid-data.ts'
import type { Pending } from '../outbound.ts'

/** A subscription that an error may be about. */
export interface SuspectSubscription {
  readonly filter: string
  readonly queue?: string | undefined
  readonly end: (error: Error) => void
}

/** Codes by patterns of a text without what it quotes. The first that matches counts. */
const CODES: Partial<Record<SpanwireErrorCode, RegExp>> = {
  'authentication-failed': /^authorization|ation (expir|revok)ed|by connect/i,
  'invalid-data': /invalid data/i,
  'rate-limited': /rate /i,
  'payload-too-large': /m payload|headers over|data than|m control/i,
  'upstream-unavailable': /upstream /i,
  'invalid-subject': /^invalid .*subject/i,
  'permission-denied': /violation|m sub/i,
}

/** Text between quotes, as JSON writes it, or as Go's `%q`, which also escapes all white space but the blank. */
const QUOTED = /"((?:[^"\\]|\\.)*)"/s

/**
 * Reads the text of an `-ERR` and settles the operations that it names.
 * Source: nats-server's `errors.go`, and bridge/PROTOCOL.md.
 * @param oldest the round that the next PONG would confirm
 * @returns the error, if it names none: then it is about the connection, or about something in that round
 */
export function readError(
  text: string,
  oldest: readonly Pending[],
  subscriptions: ReadonlyMap<string, SuspectSubscription>,
): SpanwireError | undefined {
  const [head = '', named, tail = '', queue, , id = ''] = text.split(QUOTED).map(unquote)
  const [code] = Object.entries(CODES).find(([, pattern]) => pattern.test(head + tail)) ?? []
  const error =
    code === 'invalid-data'
      ? invalidData(named, JSON.parse(queue ?? ''))
      : new SpanwireError((code ?? 'connection-lost') as SpanwireErrorCode, text)
  const isPublish = / for pub/i.test(head)
  // Otherwise every new connection would send the long line again, and end.
  const isLine = /^maximum control line exceeded$/i.test(head)
  if (isPublish || isLine)
    for (const { subject, reply, frame, settle } of oldest)
      if (isLine ? isLong(subject, reply) : (subject === named || reply === named) && decode(frame).includes(id))
        settle(error)
  // The newest subscription exceeded the limit.
  const newest = /^maximum sub/i.test(head) && oldest.findLast(({ sid }) => sid && subscriptions.has(sid))?.sid
  if (!isPublish)
    for (const [sid, { filter, queue: group, end }] of [...subscriptions])
      if (isLine ? isLong(filter, group) : named ? filter === named && group === queue : sid === newest) end(error)
  return named || newest !== false ? undefined : error
}

/** Whether a line with these subjects may be over 4,096 bytes, nats-server's maximum. */
function isLong(subject = '', other = ''): boolean {
  return encode(subject + other).length > 4_000
}

function unquote(text: string): string {
  return text.replace(/\\(u.{4}|U.{8}|.)/g, (_, escaped: string) =>
    escaped[1] ? String.fromCodePoint(Number(`0x${escaped.slice(1)}`)) : escaped,
  )
}
