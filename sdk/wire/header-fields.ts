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
        `${JSON.stringify(name)} is not a valid header: use an ASCII name and one line.`,
      )
    text += CRLF + [name, value].join(': ')
  }
  return encode(text + CRLF + CRLF)
}

/** Parses the fields of a header block as text. A block that is not one has none: nats-server takes any bytes for headers. */
export function parseFields(block: string): HeaderFields {
  const [first = '', ...lines] = block.split(CRLF)
  return first.startsWith(HEADER_VERSION)
    ? lines.flatMap((line) => {
        const colon = line.indexOf(':')
        return colon > 0 ? [[line.slice(0, colon), trimBlanks(line.slice(colon + 1))] as const] : []
      })
    : []
}

/** Parses the fields of a header block. */
export function readFields(block: Uint8Array | undefined): HeaderFields {
  return block ? parseFields(decode(block)) : []
}

/** Removes blanks and tabs at both ends. (`trim` removes more.) Linear in the length of the text. */
export function trimBlanks(text: string): string {
  return text.replace(/^[ \t]+|(?<![ \t])[ \t]+$/g, '')
}
