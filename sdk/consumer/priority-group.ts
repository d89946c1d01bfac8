import type { StoredMessage } from '../jetstream/link.ts'
import { VERSION } from '../wire/header-fields.ts'

/** The one priority group of a consumer whose work belongs to one process at a time. Source: ADR-42 */
export const GROUP = 'spanwire'
/** The status of a request that names another pin than the one that holds. */
export const WRONG_PIN = 423

const FIELD = /\r\nNats-Pin-Id: ?([^\r\n]*)/i
/** The length of a block without a field. */
const BARE = `${VERSION}\r\n\r\n`.length
/** One character for each byte, so that places are the same. */
const latin1 = new TextDecoder('latin1')

/** The message as it was published, and the pin that JetStream wrote into it. */
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
