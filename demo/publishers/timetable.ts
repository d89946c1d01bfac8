import type { RecordedFlight } from '../data/recorded.ts'

/** Departure times of a replay. */
export interface Timetable {
  readonly flights: readonly RecordedFlight[]
  /** ms from the start of the replay, one for each flight, ascending. */
  readonly times: readonly number[]
  /** ms until the replay starts again. */
  readonly length: number
}

export interface TimetableOptions {
  /** Recorded time over real time. */
  readonly speed: number
  /** Longest time between two flights of the replay, in real ms. */
  readonly longestGap: number
}

/** Computes real departure times for `flights`, which are in the order of their departure. */
export function createTimetable(flights: readonly RecordedFlight[], options: TimetableOptions): Timetable {
  const { speed, longestGap } = options
  let previous: number | undefined
  let time = 0
  const times = flights.map((flight) => {
    const departed = Date.parse(`${flight.departedAt}Z`)
    if (previous !== undefined) time += Math.min((departed - previous) / speed, longestGap)
    previous = departed
    return time
  })
  return { flights, times, length: time + longestGap }
}

/**
 * Returns the first flight that departs at or after `now`, and its time, both in ms since the epoch. The position in
 * the replay depends only on the time. Publishers therefore stay in step, and continue correctly after a restart.
 */
export function nextDeparture(timetable: Timetable, now: number): { index: number; at: number } {
  const { times, length } = timetable
  const start = now - (now % length)
  const place = now - start
  let low = 0
  let high = times.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((times[middle] ?? 0) < place) low = middle + 1
    else high = middle
  }
  if (low === times.length) return { index: 0, at: start + length }
  return { index: low, at: start + (times[low] ?? 0) }
}
