import type { Airport } from '../data/recorded.ts'
import type { Share } from './replay.ts'

/** Approximate longitude of the Mississippi, in degrees. */
const MISSISSIPPI = -90

/**
 * Halves of the feed. The edge publisher publishes departures west of the Mississippi, the Node publisher the others.
 * `all` is for a single publisher.
 */
export function shareOf(half: 'west' | 'east' | 'all', airports: readonly Airport[]): Share {
  if (half === 'all') return () => true
  const west = new Set(airports.filter((airport) => airport.longitude < MISSISSIPPI).map((airport) => airport.code))
  return (flight) => west.has(flight.origin) === (half === 'west')
}
