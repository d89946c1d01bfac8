import process from 'node:process'
import { type RecordedFlight, readAirports, readFlights } from '../data/recorded.ts'
import { replay } from './replay.ts'
import { shareOf } from './share.ts'
import { createTimetable } from './timetable.ts'

/** Recorded time over real time: one hour per second. */
const SPEED = 3_600
/** Longest gap between two flights, in recorded ms. Nights have no flights. */
const LONGEST_GAP = 18 * 60_000

export interface PublisherOptions {
  /** Name of the publisher in the log. */
  readonly name: string
  readonly half: 'west' | 'east' | 'all'
  readonly publish: (flight: RecordedFlight) => Promise<void>
}

/** Replays the recorded flights until SIGINT or SIGTERM. `REPLAY_SPEED` sets the speed, default 3600. */
export async function startPublisher({ name, half, publish }: PublisherOptions): Promise<void> {
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
  const flights = await readFlights()
  const speed = readSpeed(process.env.REPLAY_SPEED)
  const share = shareOf(half, await readAirports(flights))
  await replay({
    timetable: createTimetable(flights, { speed, longestGap: LONGEST_GAP / speed }),
    share,
    publish,
    signal: stop.signal,
    report: (problem) => console.error(`${name}: ${problem ? `waiting: ${problem.message}` : 'publishing again'}`),
  })
}

function readSpeed(text: string | undefined): number {
  const speed = Number(text || SPEED)
  if (speed > 0 && Number.isFinite(speed)) return speed
  throw new Error(`REPLAY_SPEED=${text} is not a speed: use recorded seconds per second, such as ${SPEED}.`)
}
