/** Asks a stream which messages it has stored, by their ids. */
import type { Transport } from '../../sdk/transport/transport.ts'
import { decode } from '../../sdk/wire/bytes.ts'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { ID_HEADER } from '../../sdk/wire/header-names.ts'
import type { HeaderFields } from '../../sdk/wire/headers.ts'
import type { BatchItem } from './atomic-batch.ts'

const TIMEOUT = 5_000
/** Never true, so that nothing is stored. nats-server looks for duplicates before it checks this expectation. */
const IMPOSSIBLE = ['Nats-Expected-Last-Msg-Id', 'spanwire: was it stored?'] as const

/**
 * Which of the messages are stored already, as far as the stream remembers ids. Stores nothing.
 * @throws SpanwireError (as rejection) as of {@link Transport.request}, and `stream-refused` for an answer without a verdict
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
      const headers: HeaderFields = [id, IMPOSSIBLE]
      const { payload } = await transport.request(item.subject, new Uint8Array(), { headers, timeout: TIMEOUT })
      const { duplicate, error } = Object(JSON.parse(decode(payload))) as {
        duplicate?: boolean
        error?: { err_code?: number; description?: string }
      }
      if (duplicate === true) stored.add(item)
      // 10070: the last id is another one, which is the expected refusal.
      else if (error?.err_code !== 10070)
        throw new SpanwireError(
          'stream-refused',
          `The stream does not say whether it has ${item.subject}: ${error?.description}.`,
        )
    }),
  )
  return stored
}
