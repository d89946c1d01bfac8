import { type RecordedFlight, readAirports, readFlights } from '../data/recorded.ts'
import { replay } from './replay.ts'
import { shareOf } from './share.ts'
import { createTimetable } from './timetable.ts'

export interface PublisherOptions {
  /** What the publisher calls itself in the log. */
  readonly name: string
  readonly half: 'west' | 'east' | 'all'
  readonly publish: (flight: RecordedFlight) => Promise<void>
}

/** Replays the recorded flights until SIGINT or SIGTERM. */
export async function startPublisher({ name, half, publish }: PublisherOptions): Promise<void> {
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
  const flights = await readFlights()
  const share = shareOf(half, await readAirports(flights))
  await replay({
    timetable: createTimetable(flights),
    share,
    publish,
    signal: stop.signal,
    report: (problem) => console.error(`${name}: ${problem ? `waiting: ${problem.message}` : 'publishing again'}`),
  })
}
