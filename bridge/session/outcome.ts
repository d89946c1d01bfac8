import type { Closing } from './close-reason.ts'

/** What came of an operation: done; refused, with the text for `-ERR`; or the end of the connection. */
export type Outcome = undefined | string | Closing
