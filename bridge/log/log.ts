import type { SpanwireError } from '../../sdk/wire/errors.ts'
import { type LimitName, ReachedLimits } from './reached-limits.ts'

/** How serious an event is. `debug` events are not kept. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** What happened. New codes may be added. */
export type LogCode =
  | 'client-closed'
  | 'credentials-refused'
  | 'origin-refused'
  | 'request-refused'
  | 'event-refused'
  | 'authorize-failed'
  | 'limit-reached'
  | 'client-traced'
  | 'upstream-open'
  | 'upstream-lost'
  | 'admin-order'
  | 'draining'

/** An event of the operation of a bridge. It never holds a token or a payload. */
export interface LogEvent {
  /** In ms since 1970. */
  readonly time: number
  /** How serious the event is. */
  readonly level: LogLevel
  /** Stable name of the kind of event. */
  readonly code: LogCode
  /** One sentence for people. */
  readonly message: string
  /** Details such as `connection`, `user`, `client`, `address`, `limit` and `reason`. Each text has at most 200 characters. */
  readonly fields: Readonly<Record<string, string | number>>
}

/**
 * Receives events: a function, or the lowest level of the lines on stderr. `off` writes nothing.
 *
 *     serve({ log: 'warn', … })
 *     serve({ log: (event) => logger[event.level](event), … })
 */
export type LogOption = LogLevel | 'off' | ((event: LogEvent) => void)

/** An event in the list of recent events. */
export interface NumberedEvent extends LogEvent {
  /** Number of the event. The first is 1. */
  readonly seq: number
}

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']
/** Events that a hub keeps for monitoring. */
const KEPT = 500
/** Events of one code that are written in one period. Clients cause most events, and must not fill a disk. */
const BURST = 20
/** The same for operations of traced clients, which an administrator has ordered. */
const TRACE_BURST = 200
/** In ms. */
const PERIOD = 10_000
/** Longest text of a field, in characters. Clients choose some of them. */
const MAX_TEXT = 200

/** Writes events at a bounded rate, and keeps recent ones and counts of refusals for monitoring. */
export class Log {
  readonly #write: (event: LogEvent) => void
  readonly #clock: () => number
  readonly #explain: (error: SpanwireError) => string | undefined
  readonly #recent: NumberedEvent[] = []
  /** Apart from the others, because traces are many events in a short time. */
  readonly #traced: NumberedEvent[] = []
  readonly #bursts = new Map<LogCode, { since: number; count: number }>()
  /** Refusals by code of the event and code of the error. Both have a fixed number of values. */
  readonly refused = new Map<string, number>()
  readonly #limits = new ReachedLimits()
  #lastSeq = 0

  /** @param explain the reason of a refusal, which clients do not get, without tokens. Default: none */
  constructor(
    option: LogOption = 'info',
    clock: () => number = Date.now,
    explain: (error: SpanwireError) => string | undefined = () => undefined,
  ) {
    this.#write = typeof option === 'function' ? option : lineWriter(option)
    this.#clock = clock
    this.#explain = explain
  }

  /** Writes an event. Never throws. */
  event(
    level: LogLevel,
    code: LogCode,
    message: string,
    fields: Record<string, string | number | undefined> = {},
  ): void {
    const event = { time: this.#clock(), level, code, message, fields: shorten(fields) }
    if (level !== 'debug') {
      const list = code === 'client-traced' ? this.#traced : this.#recent
      list.push({ seq: ++this.#lastSeq, ...event })
      if (list.length > KEPT) list.shift()
    }
    const omitted = this.#omit(event)
    if (omitted === undefined) return
    const more = omitted === 0 ? '' : ` ${omitted} more events of this kind were not written.`
    try {
      this.#write({ ...event, message: message + more })
    } catch {
      // A logger that fails must not close connections.
    }
  }

  /** Writes and counts a refusal. */
  refusal(
    code: 'credentials-refused' | 'origin-refused' | 'request-refused' | 'event-refused',
    error: SpanwireError,
    fields: Record<string, string | undefined>,
  ): void {
    const key = `${code} ${error.code}`
    this.refused.set(key, (this.refused.get(key) ?? 0) + 1)
    this.event('warn', code, error.message, { ...fields, error: error.code, reason: this.#explain(error) })
  }

  /**
   * Writes and counts that a client has reached a limit: once per 10 s for each limit of a user.
   * @param describe fields of the event. Called only if it is written
   */
  limit(limit: LimitName, user: string, describe: () => Record<string, string | undefined>): void {
    if (!this.#limits.add(limit, user, this.#clock())) return
    this.event('warn', 'limit-reached', `A client has reached the limit ${limit}.`, { ...describe(), user, limit })
  }

  /** How often clients have reached each limit. */
  get reached(): ReadonlyMap<LimitName, number> {
    return this.#limits.counts
  }

  /** Recent events with a number above `after`, oldest first. */
  recent(after = 0): readonly NumberedEvent[] {
    return [...this.#recent, ...this.#traced].filter(({ seq }) => seq > after).sort((a, b) => a.seq - b.seq)
  }

  /** The number of omitted events before this one. Undefined if this event must be omitted as well. */
  #omit({ code, time }: LogEvent): number | undefined {
    const burst = this.#bursts.get(code)
    const max = code === 'client-traced' ? TRACE_BURST : BURST
    if (!burst || time - burst.since >= PERIOD) {
      this.#bursts.set(code, { since: time, count: 1 })
      return Math.max(0, (burst?.count ?? 0) - max)
    }
    return ++burst.count > max ? undefined : 0
  }
}

function shorten(fields: Record<string, string | number | undefined>): LogEvent['fields'] {
  const kept = Object.entries(fields).filter(
    (entry): entry is [string, string | number] => entry[1] !== undefined && entry[1] !== '',
  )
  return Object.fromEntries(
    kept.map(([name, value]) => [name, typeof value === 'string' ? value.slice(0, MAX_TEXT) : value]),
  )
}

/** Writes one line to stderr. */
function lineWriter(least: LogLevel | 'off'): (event: LogEvent) => void {
  if (least === 'off') return () => {}
  return ({ time, level, code, message, fields }) => {
    if (LEVELS.indexOf(level) < LEVELS.indexOf(least)) return
    const details = Object.entries(fields).map(([name, value]) => ` ${name}=${JSON.stringify(value)}`)
    const line = `${new Date(time).toISOString()} ${level} ${code}: ${message}${details.join('')}`
    console.error(`spanwire: ${line.replace(UNPRINTABLE, toEscape)}`)
  }
}

/** Characters that would change a terminal or the order of the text. Clients choose some of the values. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

function toEscape(character: string): string {
  return `\\u{${character.codePointAt(0)?.toString(16)}}`
}
