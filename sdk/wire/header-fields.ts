import { CRLF, decode, encode } from './bytes.ts'
import { SpanwireError } from './errors.ts'

/** Header fields in the order of the block. A name may occur more than once. */
export type HeaderFields = ReadonlyArray<readonly [name: string, value: string]>

/** First line of a header block (ADR-4). */
export const HEADER_VERSION = 'NATS/1.0'

// Printable ASCII without ':' for names (RFC 9110's token is narrower; NATS allows this much), no line ends in values.
const NAME = /^[!-9;-~]+$/
// biome-ignore lint/suspicious/noControlCharactersInRegex: line ends and NUL are not allowed
const BAD_VALUE = /[\u0000\r\n]/

/**
 * Encodes a header block (ADR-4).
 * @param first the first line
 * @throws SpanwireError `invalid-header` for a name or value that would break the block
 */
export function encodeFields(fields: HeaderFields, first: string = HEADER_VERSION): Uint8Array {
  let text = first
  for (const [name, value] of fields) {
    if (!NAME.test(name) || BAD_VALUE.test(value))
      throw new SpanwireError(
        'invalid-header',
        `${JSON.stringify(name)} is not a valid header: use a visible ASCII name without ":" and a value without line ends and NUL.`,
      )
    text += `${CRLF}${name}: ${value}`
  }
  return encode(text + CRLF + CRLF)
}

/** Decodes the fields of a header block. Other bytes have none: nats-server forwards any bytes as headers. */
export function readFields(block: Uint8Array | undefined): HeaderFields {
  const fields: Array<readonly [string, string]> = []
  const lines = block ? decode(block).split(CRLF) : []
  if (lines.shift()?.startsWith(HEADER_VERSION))
    for (const line of lines) {
      const colon = line.indexOf(':')
      if (colon > 0) fields.push([line.slice(0, colon), trimBlanks(line.slice(colon + 1))])
    }
  return fields
}

/** Removes blanks and tabs at both ends. (`trim` removes more.) Linear in the length of the text. */
export function trimBlanks(text: string): string {
  return text.replace(/^[ \t]+|(?<![ \t])[ \t]+$/g, '')
}
