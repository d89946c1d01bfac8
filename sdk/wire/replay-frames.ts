/** Replay and resume: subjects and status messages. Source: bridge/PROTOCOL.md, Replay. */
import { isFilterList, splitFilters } from './filter-list.ts'

/**
 * Position at which a replay begins: the first message (`all`), the next one that is published (`new`), the last one, the
 * last one of each subject, the last `count` messages, a sequence, or a time (ms since 1970).
 */
export type ReplayStart =
  | { readonly at: 'all' | 'new' | 'last' | 'last-per-subject' }
  | { readonly at: 'count'; readonly count: number }
  | { readonly at: 'seq'; readonly seq: number }
  | { readonly at: 'time'; readonly time: number }

const PREFIX = '$EDGE.REPLAY.'
const NAMED = ['all', 'new', 'last', 'last-per-subject'] as const

/**
 * Returns the subject of a SUB for a replay: `$EDGE.REPLAY.<cursor>.<filter>`. Several filters follow each other, and the
 * cursor states the number of tokens of all but the last: `$EDGE.REPLAY.all:3.orders.*.created.orders.*.paid`. After the
 * number, `>` replaces the last token of a filter that ends with it, as it is only valid at the end of a subject.
 * @param list a list of filters, see filter-list.ts
 */
export function encodeReplay(start: ReplayStart, list: string): string {
  const cursor =
    start.at === 'count'
      ? `n${start.count}`
      : start.at === 'seq'
        ? `s${start.seq}`
        : start.at === 'time'
          ? `t${start.time}`
          : start.at
  const filters = splitFilters(list)
  const last = filters.pop() ?? ''
  const tokens = filters.map((filter) => filter.split('.'))
  const lengths = tokens.map((own) => (own.at(-1) === '>' ? `${own.length - 1}>` : own.length))
  const head = tokens.flat().filter((token) => token !== '>')
  return `${PREFIX}${[cursor, ...lengths].join(':')}.${[...head, last].join('.')}`
}

/** Whether a filter requests a replay. It may be malformed. */
export function isReplay(filter: string): boolean {
  return filter.startsWith(PREFIX)
}

/** Parses the format of {@link encodeReplay}. `filter` is a list. Undefined if it is malformed. */
export function parseReplay(subject: string): { readonly start: ReplayStart; readonly filter: string } | undefined {
  if (!isReplay(subject)) return undefined
  const [cursor = '', ...tokens] = subject.slice(PREFIX.length).split('.')
  const [position = '', ...lengths] = cursor.split(':')
  const start = parseCursor(position)
  const filter = lengths
    .map((text) => {
      const [, digits, rest = ''] = /^([1-9]\d{0,2})(>?)$/.exec(text) ?? []
      return [...tokens.splice(0, Number(digits)), ...rest].join('.')
    })
    .concat(tokens.join('.'))
    .join(' ')
  return start && isFilterList(filter) ? { start, filter } : undefined
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

/** Subject of the status messages of a replay. */
export const REPLAY_STATUS_SUBJECT = '$EDGE.REPLAY'

/**
 * Descriptions of the status messages of a replay. After `open`, `live` and `gap` the subscription continues. The others
 * end it, and its sid can be used again.
 */
export const replayStatus = {
  /** 100. Headers: `stream`, `epoch`, `first`, `last`, `start` of {@link replayHeaders}. */
  open: 'Replay',
  /** 100. The backlog was delivered. All following messages are live. */
  live: 'Replay Live',
  /** 410. Header `gap`. */
  gap: 'Replay Gap',
  /** 409. The bridge cannot continue the replay. Subscribe again, after the last message that was delivered. */
  interrupted: 'Replay Interrupted',
  /** 404. No stream stores all subjects of the filter. */
  noStream: 'No Stream',
  /** 413. `last-per-subject` for a filter with more subjects than the bridge stores in memory. */
  tooMany: 'Too Many Subjects',
  /** 501. Several filters, and nats-server is older than 2.10. */
  tooOld: 'Several Filters Require nats-server 2.10',
  /** 400. The cursor is malformed, or the subscription has a queue group. */
  bad: 'Bad Replay',
  /** 429. The connection or its user has too many distinct filters of replays. */
  tooManyReplays: 'Too Many Replays',
  /** 503. The stream refuses to be read, such as when it has too many consumers. Subscribe again later. */
  unavailable: 'Stream Unavailable',
} as const

/** Content of the status message `open`. */
export interface ReplayOpening {
  /** Name of the stream. */
  readonly stream: string
  /** Creation time of the stream, as the server formats it. A stream that was created again has another. */
  readonly epoch: string
  /** First sequence of the stream. */
  readonly first: number
  /** Last sequence of the stream: `first - 1` or 0 if it is empty. */
  readonly last: number
  /** First sequence that may be delivered. */
  readonly start: number
}

/** Header names of the status messages. */
export const replayHeaders = {
  stream: 'Nats-Stream',
  /** Creation time of the stream, as the server formats it. A stream that was created again has another. */
  epoch: 'Spanwire-Epoch',
  /** First and last sequence of the stream. `last` is `first - 1` or 0 if it is empty. */
  first: 'Spanwire-First-Seq',
  last: 'Spanwire-Last-Seq',
  /** First sequence that may be delivered. */
  start: 'Spanwire-Start-Seq',
  /** Sequences that are no longer available, such as `5-9,12`. */
  gap: 'Spanwire-Gap',
} as const

/** Returns the reply subject of a replayed message: JetStream's format (ADR-15), with sequence, time and pending. */
export function encodeAckSubject(stream: string, seq: number, time: number, pending: number): string {
  return `$JS.ACK.${stream}.EDGE.1.${seq}.${seq}.${time}000000.${pending}`
}

/** A number that `Number` reads exactly. */
const DIGITS = /^\d{1,15}$/

/** Parses an ack subject, with 9 tokens or with 11 and more. Undefined for other subjects. */
export function parseAckSubject(reply: string):
  | {
      readonly stream: string
      /** Number of deliveries, including this one. */
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
  const digits = tokens.slice(at + 2, at + 7)
  // In nanoseconds, which exceed the range of a number.
  digits[3] = digits[3]?.slice(0, -6) ?? ''
  if (!digits.every((one) => DIGITS.test(one))) return undefined
  const [delivered = 0, seq = 0, consumerSeq = 0, time = 0, pending = 0] = digits.map(Number)
  return { stream: tokens[at] ?? '', delivered, seq, consumerSeq, time, pending }
}
