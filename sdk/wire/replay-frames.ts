/** Replay and resume (bridge/PROTOCOL.md): subjects and status messages, as both sides write and read them. */
import { isSubjectFilter } from './subject.ts'

/**
 * Where a replay begins: `all` that the stream has, only what is `new`, the `last` message, the last message of each
 * subject, the last `count`, from a sequence, or from a time (ms since 1970).
 */
export type ReplayStart =
  | { readonly at: 'all' | 'new' | 'last' | 'last-per-subject' }
  | { readonly at: 'count'; readonly count: number }
  | { readonly at: 'seq'; readonly seq: number }
  | { readonly at: 'time'; readonly time: number }

const PREFIX = '$EDGE.REPLAY.'
const NAMED = ['all', 'new', 'last', 'last-per-subject'] as const

/** The subject of a SUB that replays: `$EDGE.REPLAY.<cursor>.<filter>`. */
export function encodeReplay(start: ReplayStart, filter: string): string {
  const cursor =
    start.at === 'count'
      ? `n${start.count}`
      : start.at === 'seq'
        ? `s${start.seq}`
        : start.at === 'time'
          ? `t${start.time}`
          : start.at
  return `${PREFIX}${cursor}.${filter}`
}

/** Whether a filter asks for a replay, well or badly. */
export function isReplay(filter: string): boolean {
  return filter.startsWith(PREFIX)
}

/** Reads what {@link encodeReplay} wrote; undefined if it is malformed. */
export function parseReplay(subject: string): { readonly start: ReplayStart; readonly filter: string } | undefined {
  if (!isReplay(subject)) return undefined
  const dot = subject.indexOf('.', PREFIX.length)
  const cursor = subject.slice(PREFIX.length, dot)
  const filter = subject.slice(dot + 1)
  const start = dot < 0 ? undefined : parseCursor(cursor)
  return start && isSubjectFilter(filter) ? { start, filter } : undefined
}

function parseCursor(cursor: string): ReplayStart | undefined {
  const named = NAMED.find((name) => name === cursor)
  if (named) return { at: named }
  const [, kind, digits] = /^([nst])(\d{1,16})$/.exec(cursor) ?? []
  const value = Number(digits)
  if (!Number.isSafeInteger(value) || (kind !== 't' && value < 1)) return undefined
  return kind === 'n'
    ? { at: 'count', count: value }
    : kind === 's'
      ? { at: 'seq', seq: value }
      : { at: 'time', time: value }
}

/** The subject that status messages of a replay bear. */
export const REPLAY_STATUS_SUBJECT = '$EDGE.REPLAY'

/**
 * Descriptions of the status messages on a replay's sid. `open`, `live` and `gap` leave the subscription as it is; all
 * others end it, and the sid is free.
 */
export const replayStatus = {
  /** 100. Headers: `stream`, `epoch`, `first`, `last`, `start` of {@link replayHeaders}. */
  open: 'Replay',
  /** 100. The backlog is done: what follows is live. */
  live: 'Replay Live',
  /** 410. Header `gap`. */
  gap: 'Replay Gap',
  /** 409. The bridge lost its place: subscribe again, after the last message that came. */
  interrupted: 'Replay Interrupted',
  /** 404. No stream keeps all of the filter's subjects. */
  noStream: 'No Stream',
  /** 413. `last-per-subject` of a filter with more subjects than the bridge holds in memory. */
  tooMany: 'Too Many Subjects',
  /** 400. The cursor can't be read, or a queue group was named. */
  bad: 'Bad Replay',
  /** 429. The connection or its user has too many distinct filters of replays. */
  tooManyReplays: 'Too Many Replays',
  /** 503. The stream refuses to be read, such as when it has too many consumers. Subscribe again later. */
  unavailable: 'Stream Unavailable',
} as const

/** What is said when a replay opens. */
export interface ReplayOpening {
  readonly stream: string
  readonly epoch: string
  /** First and last sequence that the stream has; `last` is `first - 1` or 0 when it is empty. */
  readonly first: number
  readonly last: number
  /** The first sequence that may be delivered. */
  readonly start: number
}

/** Header names of those status messages. */
export const replayHeaders = {
  stream: 'Nats-Stream',
  /** When the stream was made, as the server writes it: another stream of the same name has another. */
  epoch: 'Spanwire-Epoch',
  /** First and last sequence of the stream, as of now; `last` is `first - 1` or 0 when it is empty. */
  first: 'Spanwire-First-Seq',
  last: 'Spanwire-Last-Seq',
  /** The first sequence that may be delivered. */
  start: 'Spanwire-Start-Seq',
  /** Sequences that are gone, such as `5-9,12`. */
  gap: 'Spanwire-Gap',
} as const

/** The reply subject of a replayed message, JetStream's own (ADR-15): who reads it finds sequence, time and pending. */
export function encodeAckSubject(stream: string, seq: number, time: number, pending: number): string {
  return `$JS.ACK.${stream}.EDGE.1.${seq}.${seq}.${time}000000.${pending}`
}

/** What an ack subject says; undefined if it is none. Takes both forms, with 9 and with 11 or more tokens. */
export function parseAckSubject(reply: string):
  | {
      readonly stream: string
      /** How often it was delivered, this time included. */
      readonly delivered: number
      readonly seq: number
      readonly consumerSeq: number
      readonly time: number
      readonly pending: number
    }
  | undefined {
  if (!reply.startsWith('$JS.ACK.')) return undefined
  const tokens = reply.split('.')
  const at = tokens.length === 9 ? 2 : 4
  if (tokens.length !== 9 && tokens.length < 11) return undefined
  const [delivered, seq, consumerSeq, , pending] = tokens.slice(at + 2, at + 7).map(Number)
  // In nanoseconds, which a number can't hold.
  const time = Number(tokens[at + 5]?.slice(0, -6))
  if (![delivered, seq, consumerSeq, time, pending].every((value) => Number.isSafeInteger(value))) return undefined
  return {
    stream: tokens[at] as string,
    delivered: delivered as number,
    seq: seq as number,
    consumerSeq: consumerSeq as number,
    time,
    pending: pending as number,
  }
}
