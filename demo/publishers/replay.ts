import { setTimeout as wait } from 'node:timers/promises'
import { createBackoff } from '../../sdk/kit/backoff.ts'
import type { RecordedFlight } from '../data/recorded.ts'
import { nextDeparture, type Timetable } from './timetable.ts'

/** A flight that would be published this late is left out, in ms. A live map does not catch up. */
const TOO_LATE = 2_000
const LONGEST_RETRY = 5_000

/** Selects the flights of a publisher. */
export type Share = (flight: RecordedFlight) => boolean

export interface ReplayOptions {
  readonly timetable: Timetable
  readonly share: Share
  /** Publishes one departure. A rejection means that the server is unreachable. */
  readonly publish: (flight: RecordedFlight) => Promise<void>
  /** Ends the replay. */
  readonly signal: AbortSignal
  /** Called when publishing begins to fail, and without an error when it works again. */
  readonly report: (problem: Error | undefined) => void
}

/** Publishes recorded departures at the times of `timetable`, in a loop, until `signal`. */
export async function replay({ timetable, share, publish, signal, report }: ReplayOptions): Promise<void> {
  const backoff = createBackoff({ first: 500, longest: LONGEST_RETRY })
  let next = nextDeparture(timetable, Date.now())
  while (!signal.aborted) {
    await pause(next.at - Date.now(), signal)
    const flight = timetable.flights[next.index]
    if (flight && !signal.aborted && share(flight)) {
      try {
        await publish(flight)
        if (backoff.failures > 0) report(undefined)
        backoff.failures = 0
      } catch (error) {
        if (signal.aborted) return
        if (backoff.failures === 0) report(error as Error)
        await pause(backoff.next(), signal)
      }
    }
    next = after(timetable, next)
  }
}

function after(timetable: Timetable, { index, at }: { index: number; at: number }): { index: number; at: number } {
  const now = Date.now()
  if (at < now - TOO_LATE) return nextDeparture(timetable, now)
  const following = timetable.times[index + 1]
  if (following !== undefined) return { index: index + 1, at: at + following - (timetable.times[index] ?? 0) }
  return { index: 0, at: at + timetable.length - (timetable.times[index] ?? 0) }
}

/** Sets no timer for flights of the same minute. Resolves early when `signal` aborts. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (ms > 0) await wait(ms, undefined, { signal }).catch(() => {})
}
