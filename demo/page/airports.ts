import type { MapAirport } from '../data/us-map.ts'
import { element } from './element.ts'

/** The airports that the build wrote into the page, by code. */
export const airports: ReadonlyMap<string, MapAirport> = new Map(
  (JSON.parse(element('airports').textContent ?? '[]') as [string, string, string, number, number][]).map(
    ([code, city, state, x, y]) => [code, { code, city, state, x, y }],
  ),
)

/** Returns the city of an airport without its suburbs: `Wilkes-Barre` for `Wilkes-Barre/Scranton`. */
export function cityName(code: string): string {
  return airports.get(code)?.city.split('/', 1)[0] ?? ''
}

/** Returns a name such as `Nashville, TN`, or the code of an unknown airport. */
export function placeName(code: string): string {
  const airport = airports.get(code)
  return airport ? `${cityName(code)}, ${airport.state}` : code
}
