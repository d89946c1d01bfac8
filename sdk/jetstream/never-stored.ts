import type { HeaderFields } from '../wire/header-fields.ts'

/**
 * Headers of a message that no stream stores. With an id of an event next to them, the answer reports whether the
 * stream has that event: nats-server detects duplicates before it refuses.
 *
 * Each header alone is not safe. A clustered nats-server 2.15.1 proposes a message whose expected id is wrong, fails to apply
 * it, and stops the stream on all replicas. A clustered 2.9.10 does the same for the roll-up, but checks the id before.
 */
export const NEVER_STORED: HeaderFields = [
  ['Nats-Rollup', 'spanwire'],
  ['Nats-Expected-Last-Msg-Id', 'spanwire: was it stored?'],
]

/** The `err_code`s of the refusal: wrong last id, roll-up not permitted, roll-up not valid. */
export const NEVER_STORED_CODES: readonly number[] = [10070, 10111]
