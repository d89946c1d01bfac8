import { describe, expect, it } from 'vitest'
import { type RecordedFlight, readAirports, readFlights } from '../../../../demo/data/recorded.ts'
import { shareOf } from '../../../../demo/publishers/share.ts'
import { createTimetable, nextDeparture } from '../../../../demo/publishers/timetable.ts'

function flightAt(departedAt: string): RecordedFlight {
  return { departedAt, origin: 'LAX', destination: 'BNA', delay: 0, distance: 1797 }
}

const timetable = createTimetable(
  ['2001-01-01T06:00', '2001-01-01T06:10', '2001-01-01T06:10', '2001-01-02T06:00'].map(flightAt),
  { speed: 3600, longestGap: 500 },
)

describe('the timetable', () => {
  it('compresses time, and shortens the night', () => {
    expect(timetable.times.map(Math.round)).toEqual([0, 167, 167, 667])
    expect(timetable.length).toBeCloseTo(1166.7, 0)
  })

  it('finds the next departure from the time alone, in every round', () => {
    const round = 1_000_000
    const start = round * timetable.length
    expect(nextDeparture(timetable, start + 1).index).toBe(1)
    expect(nextDeparture(timetable, start + 200)).toMatchObject({ index: 3 })
    expect(nextDeparture(timetable, start + 200).at).toBeCloseTo(start + 666.7, 0)
    const last = nextDeparture(timetable, start + 700)
    expect(last.index).toBe(0)
    expect(last.at).toBeCloseTo(start + timetable.length, 3)
  })

  it('keeps the recorded flights in order, without a long gap', async () => {
    const { times, length } = createTimetable(await readFlights(), { speed: 3600, longestGap: 300 })
    expect(times.length).toBe(20_000)
    expect(times.every((time, i) => i === 0 || time >= (times[i - 1] ?? 0))).toBe(true)
    expect(times.every((time, i) => i === 0 || time - (times[i - 1] ?? 0) < 300.001)).toBe(true)
    expect(20_000 / (length / 1000)).toBeGreaterThan(5)
  })
})

describe('the shares of the two publishers', () => {
  it('contain every flight once', async () => {
    const flights = await readFlights()
    const airports = await readAirports(flights)
    const west = flights.filter(shareOf('west', airports)).length
    const east = flights.filter(shareOf('east', airports)).length
    expect(west + east).toBe(flights.length)
    expect(Math.min(west, east)).toBeGreaterThan(flights.length / 4)
    expect(flights.every(shareOf('all', airports))).toBe(true)
  })

  it('contain every airport', async () => {
    const flights = await readFlights()
    const codes = new Set((await readAirports(flights)).map((airport) => airport.code))
    expect(flights.filter((flight) => !codes.has(flight.origin) || !codes.has(flight.destination))).toEqual([])
  })
})
