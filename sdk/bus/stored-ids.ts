/** Finds stored messages by their ids. */
import { NEVER_STORED, NEVER_STORED_CODES } from '../jetstream/never-stored.ts'
import { membersOf } from '../kit/kinds.ts'
import type { Transport } from '../transport/transport.ts'
import { decode } from '../wire/bytes.ts'
import { SpanwireError } from '../wire/errors.ts'
import { ID_HEADER } from '../wire/header-names.ts'
import type { HeaderFields } from '../wire/headers.ts'
import type { BatchItem } from './atomic-batch.ts'

/** The time for an answer, in ms. */
const TIMEOUT = 5_000

/**
 * Returns the messages that the stream has stored within its duplicate window, with their sequences. Does not store messages.
 * @throws SpanwireError (as rejection) the errors of {@link Transport.request}, and `stream-refused` for an answer without a verdict
 */
export async function findStored<Item extends BatchItem>(
  transport: Transport,
  items: readonly Item[],
): Promise<Map<Item, number>> {
  const stored = new Map<Item, number>()
  await Promise.all(
    items.map(async (item) => {
      const id = item.headers.find(([name]) => name === ID_HEADER)
      if (!id) return
      const headers: HeaderFields = [id, ...NEVER_STORED]
      const { payload } = await transport.request(item.subject, new Uint8Array(), { headers, timeout: TIMEOUT })
      const { duplicate, seq, error } = membersOf(JSON.parse(decode(payload)))
      const { err_code, description } = membersOf(error)
      if (duplicate === true) stored.set(item, Number(seq))
      else if (!NEVER_STORED_CODES.includes(Number(err_code)))
        throw new SpanwireError(
          'stream-refused',
          `The stream does not report whether it has ${item.subject}: ${description}.`,
        )
    }),
  )
  return stored
}
