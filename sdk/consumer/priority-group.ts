import type { StoredMessage } from '../jetstream/jetstream-link.ts'
import { HEADER_VERSION } from '../wire/header-fields.ts'

/** Name of the priority group of a consumer that is pinned to one process. Source: ADR-42 */
export const GROUP = 'spanwire'
/** Status of a request with a pin that is not valid. */
export const WRONG_PIN = 423

const FIELD = /\r\nNats-Pin-Id: ?([^\r\n]*)/i
/** Length of a header block without fields. */
const BARE = `${HEADER_VERSION}\r\n\r\n`.length
/** Decodes one character for each byte, so that offsets are equal. */
const latin1 = new TextDecoder('latin1')

/** Returns a message as it was published, and the pin that JetStream added. */
export function takePin(given: StoredMessage): { readonly message: StoredMessage; readonly pin: string | undefined } {
  const { headerBlock, ...message } = given
  const found = headerBlock && FIELD.exec(latin1.decode(headerBlock))
  if (!found) return { message: given, pin: undefined }
  const [field, pin] = found
  const own = new Uint8Array(headerBlock.length - field.length)
  own.set(headerBlock.subarray(0, found.index))
  own.set(headerBlock.subarray(found.index + field.length), found.index)
  return { message: own.length > BARE ? { ...message, headerBlock: own } : message, pin }
}
