import { defineEvents, event, type StandardSchema } from '../../sdk/index.ts'

/** Validation is not under test, and thousands of clients run in one process. */
const numbered: StandardSchema<{ n: number }> = {
  '~standard': { version: 1, vendor: 'none', validate: (value) => ({ value: value as { n: number } }) },
}

/** Numbered events, with and without a stream. */
export const clusterEvents = defineEvents({
  'chaos.{id}': event(numbered, { stream: 'CHAOS' }),
  'live.{id}': numbered,
})

/** Members of one presence channel. */
export const ROOM_SIZE = 20
export const USERS = 50
