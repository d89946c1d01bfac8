/** Times of the calendar, as nats-server reads them (ADR-51): six fields, from second to day of week. */

interface Field {
  readonly min: number
  readonly max: number
  /** Names of the values from `min` on. */
  readonly names?: readonly string[]
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']
const FIELDS: readonly Field[] = [
  { min: 0, max: 59 },
  { min: 0, max: 59 },
  { min: 0, max: 23 },
  { min: 1, max: 31 },
  { min: 1, max: 12, names: MONTHS },
  { min: 0, max: 6, names: DAYS },
]
const WORDS: Readonly<Record<string, string>> = {
  '@yearly': '0 0 0 1 1 *',
  '@annually': '0 0 0 1 1 *',
  '@monthly': '0 0 0 1 * *',
  '@weekly': '0 0 0 * * 0',
  '@daily': '0 0 0 * * *',
  '@midnight': '0 0 0 * * *',
  '@hourly': '0 0 * * * *',
}
/** A pattern without a time in this number of years is not valid. */
const YEARS = 5
const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

/** Values of one field, and whether it is `*`. */
interface Values {
  readonly has: ReadonlySet<number>
  readonly isAny: boolean
}

/**
 * Returns the first time of a pattern after `after`, in ms since 1970. Undefined if the pattern is not valid.
 * @param zone IANA name of the time zone, which must be valid
 */
export function nextCron(pattern: string, zone: string, after: number): number | undefined {
  const fields = (WORDS[pattern] ?? pattern).split(/[ \t]+/).filter((part) => part !== '')
  if (fields.length !== FIELDS.length) return undefined
  const values = fields.map((text, index) => readField(text, FIELDS[index] as Field))
  const [second, minute, hour, day, month, weekday] = values
  if (!second || !minute || !hour || !day || !month || !weekday) return undefined
  // The time on the wall of the zone, as if it was UTC.
  let time = (Math.floor(toWall(after, zone) / SECOND) + 1) * SECOND
  const last = time + YEARS * 366 * 24 * HOUR
  while (time <= last) {
    const date = new Date(time)
    const [y, m, d] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()]
    const isDay = day.has.has(d)
    const isWeekday = weekday.has.has(date.getUTCDay())
    if (!month.has.has(m + 1)) time = Date.UTC(y, m + 1)
    else if (!(day.isAny || weekday.isAny ? isDay && isWeekday : isDay || isWeekday)) time = Date.UTC(y, m, d + 1)
    else if (!hour.has.has(date.getUTCHours())) time = (Math.floor(time / HOUR) + 1) * HOUR
    else if (!minute.has.has(date.getUTCMinutes())) time = (Math.floor(time / MINUTE) + 1) * MINUTE
    else if (!second.has.has(date.getUTCSeconds())) time += SECOND
    else return fromWall(time, zone)
  }
  return undefined
}

/** Whether this runtime knows a time zone. */
export function isTimeZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone })
    return !/^[+-]/.test(zone)
  } catch {
    return false
  }
}

/** Reads lists, ranges and steps, such as `1,5-9`, `10-40/5` and `5/15`. Undefined if it is not valid. */
function readField(text: string, { min, max, names = [] }: Field): Values | undefined {
  const has = new Set<number>()
  let isAny = false
  const number = (part: string) => {
    const named = names.indexOf(part.toLowerCase())
    if (named >= 0) return min + named
    return /^\d+$/.test(part) ? Number(part) : Number.NaN
  }
  for (const part of text.split(',').filter((one) => one !== '')) {
    const [range = '', step = '1', ...more] = part.split('/')
    const [low = '', high, ...rest] = range.split('-')
    const isStar = low === '*' || low === '?'
    const from = isStar ? min : number(low)
    // `5/15` is `5-max/15`.
    const open = isStar || (high === undefined && part.includes('/'))
    const to = open ? max : number(high ?? low)
    const by = number(step)
    if (more.length > 0 || rest.length > 0 || !(from >= min && to <= max && from <= to && by >= 1)) return undefined
    isAny ||= isStar && by === 1
    for (let value = from; value <= to; value += by) has.add(value)
  }
  return { has, isAny }
}

function toWall(time: number, zone: string): number {
  if (zone === 'UTC') return time
  const parts = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  }).formatToParts(time)
  const of = (type: string) => Number(parts.find((part) => part.type === type)?.value)
  return Date.UTC(of('year'), of('month') - 1, of('day'), of('hour'), of('minute'), of('second'))
}

/** A time that a change of the clocks skips becomes the time after the change. */
function fromWall(wall: number, zone: string): number {
  const guess = wall - (toWall(wall, zone) - wall)
  return guess - (toWall(guess, zone) - wall)
}
