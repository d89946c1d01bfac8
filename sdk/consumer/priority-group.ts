import type { JetStreamLink, StoredMessage } from '../jetstream/jetstream-link.ts'
import { encode } from '../wire/bytes.ts'
import { takeHeader } from './take-header.ts'

/** Name of the priority group of a consumer that is pinned to one process. Source: ADR-42 */
export const GROUP = 'spanwire'
/** Status of a request with a pin that is not valid. */
export const WRONG_PIN = 423

const PIN = /\r\nNats-Pin-Id: ?([^\r\n]*)/i

/** Returns a message as it was published, and the pin that JetStream added. */
export function takePin(given: StoredMessage): { readonly message: StoredMessage; readonly pin: string | undefined } {
  const { message, value } = takeHeader(given, PIN)
  return { message, pin: value }
}

/** Time for the release of a pin, in ms. */
const PATIENCE = 1_000

/**
 * Releases the pin of a consumer: the next process that requests messages receives them. Without permission or an answer,
 * the pin ends after its timeout.
 */
export async function unpin(link: JetStreamLink, stream: string, consumer: string): Promise<void> {
  const order = encode(JSON.stringify({ group: GROUP }))
  await link.request(`$JS.API.CONSUMER.UNPIN.${stream}.${consumer}`, order, { timeout: PATIENCE }).catch(() => {})
}
