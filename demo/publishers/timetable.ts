import type { RecordedFlight } from '../data/recorded.ts'

/** When each flight of a replay leaves. */
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
  /** No two flights of the replay are further apart than this, in real ms. */
  readonly longestGap: number
}

/** Lays `flights` (in the order of their departure) out in real time. */
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
 * The first flight that leaves at or after `now`, and when. Both in ms since the epoch: the replay's place follows from
 * the time alone, so publishers keep step without a word to each other, and go on in place after a restart.
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
