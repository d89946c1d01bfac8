import type { StartFrom } from '../../../sdk/contract/bus.ts'
import { parseCursor } from '../../../sdk/replay/cursor.ts'
import { SpanwireError } from '../../../sdk/wire/errors.ts'

/** The forms of `--from`, for help and errors. */
export const START_FORMS =
  'all, new, last, last-per-subject, last:10, seq:42, time:2026-01-31T12:00:00Z, time:-5min, or a cursor'

const UNITS: Readonly<Record<string, number>> = { s: 1_000, min: 60_000, h: 3_600_000, d: 86_400_000 }

/**
 * Parses the start of a subscription.
 * @param now in ms since 1970
 * @throws SpanwireError `invalid-argument`
 */
export function readStart(text: string, now: number): StartFrom {
  if (text === 'all' || text === 'new' || text === 'last' || text === 'last-per-subject') return text
  const [, word, value = ''] = /^(last|seq|time):(.+)$/.exec(text) ?? []
  const count = Number(value)
  if (word === 'last' && isCount(value)) return { last: count }
  if (word === 'seq' && isCount(value)) return { seq: count }
  if (word === 'time') {
    const [, amount, unit = ''] = /^-(\d+)(s|min|h|d)$/.exec(value) ?? []
    const time = amount ? now - Number(amount) * (UNITS[unit] ?? Number.NaN) : Date.parse(value)
    if (!Number.isNaN(time)) return { time }
  }
  const cursor = text.replace(/^cursor:/, '')
  if (/^\d+@/.test(cursor)) {
    parseCursor(cursor)
    return { cursor }
  }
  throw new SpanwireError('invalid-argument', `--from is ${JSON.stringify(text)}: it must be ${START_FORMS}.`)
}

function isCount(text: string): boolean {
  return /^[1-9]\d{0,15}$/.test(text)
}
