import { expect, it } from 'vitest'
import { isTimeZone, nextCron } from '../../../../../bridge/broker/jetstream/cron.ts'

const FROM = Date.parse('2026-11-27T18:30:15.500Z')
const next = (pattern: string, zone = 'UTC', from = FROM) => {
  const time = nextCron(pattern, zone, from)
  return time === undefined ? undefined : new Date(time).toISOString().replace('.000Z', 'Z')
}

it.each([
  ['* * * * * *', '2026-11-27T18:30:16Z'],
  ['*/15 * * * * *', '2026-11-27T18:30:30Z'],
  ['5/20 * * * * *', '2026-11-27T18:30:25Z'],
  ['0 0-10,45 * * * *', '2026-11-27T18:45:00Z'],
  ['0 30 18 * * *', '2026-11-28T18:30:00Z'],
  ['0 0 5 1 * *', '2026-12-01T05:00:00Z'],
  ['0 0 0 29 2 *', '2028-02-29T00:00:00Z'],
  ['0 0 9 * * mon-wed', '2026-11-30T09:00:00Z'],
  ['0 0 9 * JAN sun', '2027-01-03T09:00:00Z'],
  // Both are restricted: one of them is enough.
  ['0 0 9 13 * FRI', '2026-12-04T09:00:00Z'],
  ['0  0 9  * * ?', '2026-11-28T09:00:00Z'],
  ['@hourly', '2026-11-27T19:00:00Z'],
  ['@daily', '2026-11-28T00:00:00Z'],
  ['@midnight', '2026-11-28T00:00:00Z'],
  ['@weekly', '2026-11-29T00:00:00Z'],
  ['@monthly', '2026-12-01T00:00:00Z'],
  ['@yearly', '2027-01-01T00:00:00Z'],
  ['@annually', '2027-01-01T00:00:00Z'],
])('%s is next at %s', (pattern, time) => expect(next(pattern)).toBe(time))

it.each([
  '',
  '* * * * *',
  '* * * * * * *',
  '60 * * * * *',
  '* * 24 * * *',
  '* * * 0 * *',
  '* * * * 13 *',
  '* * * * * 7',
  '9-5 * * * * *',
  '1-2-3 * * * * *',
  '*/0 * * * * *',
  '*/2/2 * * * * *',
  'x * * * * *',
  '-1 * * * * *',
  '@sometimes',
  '0 0 0 31 2 *',
])('%j is not valid', (pattern) => expect(next(pattern)).toBeUndefined())

it('counts in a time zone, also when its clocks change', () => {
  expect(next('0 0 5 * * *', 'Europe/Berlin')).toBe('2026-11-28T04:00:00Z')
  expect(next('0 0 5 * * *', 'Asia/Kolkata')).toBe('2026-11-27T23:30:00Z')
  expect(next('0 0 5 * * *', 'Europe/Berlin', Date.parse('2027-03-28T00:00:00Z'))).toBe('2027-03-28T03:00:00Z')
  // The clocks skip from 2:00 to 3:00.
  expect(next('0 30 2 28 3 *', 'Europe/Berlin', Date.parse('2027-03-28T00:00:00Z'))).toMatch(/^2027-03-28T0[01]:30/)
  expect(isTimeZone('Europe/Berlin') && isTimeZone('UTC')).toBe(true)
  expect(['Mars/Olympus', '+02:00', ''].filter(isTimeZone)).toEqual([])
})
