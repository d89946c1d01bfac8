import { SpanwireError } from '../errors.ts'

/** Header fields in the order they stand in the block. A name may stand more than once. */
export type HeaderFields = ReadonlyArray<readonly [name: string, value: string]>

/** A parsed header block. `status` and `description` are set on status messages, such as 503 No Responders. */
export interface HeaderBlock {
  readonly status?: number
  readonly description?: string
  readonly fields: HeaderFields
}

const VERSION = 'NATS/1.0'
const FIRST_LINE = /^NATS\/1\.0(?:[ \t]+(\d{3})(?![^ \t])(.*))?$/
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
// Printable ASCII without ':' for names (RFC 9110's token is narrower; NATS allows this much), no line ends in values.
const NAME = /^[!-9;-~]+$/
// biome-ignore lint/suspicious/noControlCharactersInRegex: line ends and NUL are what is refused
const BAD_VALUE = /[\u0000\r\n]/

/**
 * Writes a `NATS/1.0` header block (ADR-4).
 * @throws SpanwireError `invalid-header` for a name or value that would break the block
 */
export function encodeHeaders(fields: HeaderFields, status?: number, description?: string): Uint8Array {
  let text = status === undefined ? VERSION : `${VERSION} ${status}${description ? ` ${description}` : ''}`
  for (const [name, value] of fields) {
    if (!NAME.test(name))
      throw new SpanwireError(
        'invalid-header',
        `Header name ${JSON.stringify(name)} is not allowed: use visible ASCII without ':'.`,
      )
    if (BAD_VALUE.test(value))
      throw new SpanwireError(
        'invalid-header',
        `The value of header ${name} holds a line end or NUL: remove or encode it.`,
      )
    text += `\r\n${name}: ${value}`
  }
  return new TextEncoder().encode(`${text}\r\n\r\n`)
}

/**
 * Reads a header block (ADR-4).
 * @throws SpanwireError `protocol-violation` if it is not one
 */
export function parseHeaders(bytes: Uint8Array): HeaderBlock {
  const lines = decoder.decode(bytes).split('\r\n')
  const fields: Array<readonly [string, string]> = []
  for (let i = 1; i < lines.length; i++) {
    const line = lines[i] as string
    const colon = line.indexOf(':')
    if (colon > 0) fields.push([line.slice(0, colon), trimBlanks(line.slice(colon + 1))])
  }
  const first = FIRST_LINE.exec(trimBlanks(lines[0] as string))
  if (!first)
    throw new SpanwireError(
      'protocol-violation',
      'A header block must begin with NATS/1.0 and may go on with a status.',
    )
  const [, status, description] = first
  return status === undefined
    ? { fields }
    : { status: Number(status), description: trimBlanks(description as string), fields }
}

/** Not `trim`, which takes away more than blanks; not a regular expression, which is slow on long runs of blanks. */
function trimBlanks(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isBlank(text.charCodeAt(start))) start++
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--
  return text.slice(start, end)
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9
}
