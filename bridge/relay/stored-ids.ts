/** Finds stored messages by their ids. */
import { NEVER_STORED, NEVER_STORED_CODES } from '../../sdk/jetstream/never-stored.ts'
import { membersOf } from '../../sdk/kit/kinds.ts'
import type { Transport } from '../../sdk/transport/transport.ts'
import { decode } from '../../sdk/wire/bytes.ts'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { ID_HEADER } from '../../sdk/wire/header-names.ts'
import type { HeaderFields } from '../../sdk/wire/headers.ts'
import type { BatchItem } from './atomic-batch.ts'

/** The time for an answer, in ms. */
const TIMEOUT = 5_000

/**
 * Returns the messages that the stream has stored within its duplicate window. Does not store messages.
 * @throws SpanwireError (as rejection) the errors of {@link Transport.request}, and `stream-refused` for an answer without a verdict
 */
export async function findStored<Item extends BatchItem>(
  transport: Transport,
  items: readonly Item[],
): Promise<Set<Item>> {
  const stored = new Set<Item>()
  await Promise.all(
    items.map(async (item) => {
      const id = item.headers.find(([name]) => name === ID_HEADER)
      if (!id) return
      const headers: HeaderFields = [id, ...NEVER_STORED]
      const { payload } = await transport.request(item.subject, new Uint8Array(), { headers, timeout: TIMEOUT })
      const { duplicate, error } = membersOf(JSON.parse(decode(payload)))
      const { err_code, description } = membersOf(error)
      if (duplicate === true) stored.add(item)
      else if (!NEVER_STORED_CODES.includes(Number(err_code)))
        throw new SpanwireError(
          'stream-refused',
          `The stream does not report whether it has ${item.subject}: ${description}.`,
        )
    }),
  )
  return stored
}
