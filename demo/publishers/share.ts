import type { Airport } from '../data/recorded.ts'
import type { Share } from './replay.ts'

/** About where the Mississippi flows, in degrees of longitude. */
const MISSISSIPPI = -90

/**
 * The feed's two halves: the edge publisher has the departures west of the Mississippi, the Node publisher the others.
 * `all` is for when there is one publisher only.
 */
export function shareOf(half: 'west' | 'east' | 'all', airports: readonly Airport[]): Share {
  if (half === 'all') return () => true
  const west = new Set(airports.filter((airport) => airport.longitude < MISSISSIPPI).map((airport) => airport.code))
  return (flight) => west.has(flight.origin) === (half === 'west')
}
