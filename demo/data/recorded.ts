import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

/** One flight as the U.S. Bureau of Transportation Statistics recorded it. */
export interface RecordedFlight {
  /** Departure in the airport's local time, as `2001-01-31T06:55`. */
  readonly departedAt: string
  readonly origin: string
  readonly destination: string
  /** Minutes late on arrival. Negative values are early. */
  readonly delay: number
  /** Great-circle miles. */
  readonly distance: number
}

/** An airport of the recorded flights. */
export interface Airport {
  /** The IATA code: one NATS token. */
  readonly code: string
  readonly city: string
  readonly state: string
  readonly longitude: number
  readonly latitude: number
}

interface FlightRow {
  date: string
  delay: number
  distance: number
  origin: string
  destination: string
}

// `exports` of the package leaves out its data files, so the path starts at its entry.
const folder = new URL('../data/', import.meta.resolve('vega-datasets'))

function read(name: string): Promise<string> {
  return readFile(fileURLToPath(new URL(name, folder)), 'utf8')
}

/** 20,000 real departures of January to March 2001, in the order of their departure. */
export async function readFlights(): Promise<RecordedFlight[]> {
  const rows = JSON.parse(await read('flights-20k.json')) as FlightRow[]
  return rows.map(({ date, ...flight }) => ({
    departedAt: `${date.slice(0, 10).replaceAll('/', '-')}T${date.slice(11)}`,
    ...flight,
  }))
}

/** Origins and destinations of `flights`, by code. */
export async function readAirports(flights: readonly RecordedFlight[]): Promise<Airport[]> {
  const used = new Set(flights.flatMap((flight) => [flight.origin, flight.destination]))
  const [, ...lines] = (await read('airports.csv')).trim().split('\n')
  return lines
    .map(parseAirport)
    .filter((airport) => used.has(airport.code))
    .sort((a, b) => (a.code < b.code ? -1 : 1))
}

/** Columns: iata, name, city, state, country, latitude, longitude. A column with a comma is quoted. */
function parseAirport(line: string): Airport {
  const columns = [...line.matchAll(/("([^"]*)"|[^,]*)(,|$)/g)].map((match) => (match[2] ?? match[1] ?? '').trim())
  const [code = '', , city = '', state = '', , latitude, longitude] = columns
  return { code, city, state, latitude: Number(latitude), longitude: Number(longitude) }
}
