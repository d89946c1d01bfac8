import { membersOf } from '../kit/kinds.ts'

/** How serious an event is. `debug` traces each operation. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** What happened. New codes may be added. */
export type LogCode =
  | 'connection-open'
  | 'connection-lost'
  | 'connection-closed'
  | 'published'
  | 'publish-failed'
  | 'request-answered'
  | 'request-failed'
  | 'subscribed'
  | 'subscription-ended'
  | 'event-invalid'
  | 'handler-failed'
  | 'gap'

/** An event of the operation of a client. `message` and `fields` never hold a token or a payload. */
export interface LogEvent {
  /** In ms since 1970. */
  readonly time: number
  /** How serious the event is. */
  readonly level: LogLevel
  /** Stable name of the kind of event. */
  readonly code: LogCode
  /** One sentence for people. */
  readonly message: string
  /**
   * Details: `subject`, `event`, `bytes`, `ms`, `seq`, `stream`, `reason`, `from` and `to` of a gap, and `error`: the code or
   * name of the error.
   */
  readonly fields: Readonly<Record<string, string | number>>
  /** The error. Its message may hold values of an event. */
  readonly error?: unknown
}

/** Receives events: a function, or the lowest level of the lines on the console. `off` writes nothing. */
export type LogOption = LogLevel | 'off' | ((event: LogEvent) => void)

type Fields = Readonly<Record<string, string | number | undefined>>

/** Writes an event. Never throws. */
export type WriteLog = (
  level: LogLevel,
  code: LogCode,
  message: string,
  details?: { readonly fields?: Fields; readonly error?: unknown },
) => void

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']
/** Events of one code that are written in one period. Other clients can cause events that are not valid. */
const BURST = 20
/** In ms. */
const PERIOD = 10_000

/** Returns a function that writes events at a bounded rate. `debug` events have no bound. */
export function createLog(option: LogOption, clock: () => number = Date.now): WriteLog {
  const write = typeof option === 'function' ? option : lineWriter(option)
  const bursts = new Map<LogCode, { since: number; count: number }>()
  /** Number of omitted events before this one. Undefined if it must be omitted as well. */
  const countOmitted = (code: LogCode, time: number): number | undefined => {
    const burst = bursts.get(code)
    if (burst && time - burst.since < PERIOD) return ++burst.count > BURST ? undefined : 0
    bursts.set(code, { since: time, count: 1 })
    return Math.max(0, (burst?.count ?? 0) - BURST)
  }
  return (level, code, message, { fields = {}, error } = {}) => {
    const time = clock()
    const omitted = level === 'debug' ? 0 : countOmitted(code, time)
    if (omitted === undefined) return
    const more = omitted === 0 ? '' : ` ${omitted} more events of this kind were not written.`
    const all: Fields = { ...fields, ...(error !== undefined && { error: nameOf(error) }) }
    const known = Object.entries(all).filter((entry): entry is [string, string | number] => entry[1] !== undefined)
    try {
      write({
        time,
        level,
        code,
        message: message + more,
        fields: Object.fromEntries(known),
        ...(error !== undefined && { error }),
      })
    } catch {
      // A logger that fails must not affect the connection.
    }
  }
}

function lineWriter(least: LogLevel | 'off'): (event: LogEvent) => void {
  return ({ level, code, message, fields, error }) => {
    if (least === 'off' || LEVELS.indexOf(level) < LEVELS.indexOf(least)) return
    const details = Object.entries(fields).map(([name, value]) => ` ${name}=${JSON.stringify(value)}`)
    console[level](`spanwire: ${code}: ${message}${details.join('')}`, ...(error === undefined ? [] : [error]))
  }
}

/** The code of a SpanwireError, or the name of another error. */
function nameOf(error: unknown): string {
  const { code, name } = membersOf(error)
  return String(code ?? name ?? typeof error)
}
