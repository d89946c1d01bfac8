import type { StoredMessage } from '../jetstream/jetstream-link.ts'
import { HEADER_VERSION } from '../wire/header-fields.ts'

/** Length of a header block without fields. */
const BARE = `${HEADER_VERSION}\r\n\r\n`.length
/** Decodes one character for each byte, so that offsets are equal. */
const latin1 = new TextDecoder('latin1')

/**
 * Returns a message without a header that JetStream added, and the value of that header.
 * @param field matches the line of the header, including the line end before it. Its first group is the value
 */
export function takeHeader(
  given: StoredMessage,
  field: RegExp,
): { readonly message: StoredMessage; readonly value: string | undefined } {
  const { headerBlock, ...message } = given
  const found = headerBlock && field.exec(latin1.decode(headerBlock))
  if (!found) return { message: given, value: undefined }
  const [line, value] = found
  const own = new Uint8Array(headerBlock.length - line.length)
  own.set(headerBlock.subarray(0, found.index))
  own.set(headerBlock.subarray(found.index + line.length), found.index)
  return { message: own.length > BARE ? { ...message, headerBlock: own } : message, value }
}
