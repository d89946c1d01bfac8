/** Header blocks with a status. */

import { CRLF, decode } from './bytes.ts'
import { SpanwireError } from './errors.ts'
import { encodeFields, HEADER_VERSION, type HeaderFields, readFields, trimBlanks } from './header-fields.ts'

export type { HeaderFields }

/** A decoded header block. */
export interface HeaderBlock {
  /** Status code, such as 503. Only of status messages. */
  readonly status?: number
  /** Description of the status, such as `No Responders`. */
  readonly description?: string
  /** Header fields, in the order of the block. */
  readonly fields: HeaderFields
}

const FIRST_LINE = /^NATS\/1\.0(?:[ \t]+(\d{3})(?![^ \t])(.*))?$/s

/**
 * Encodes a `NATS/1.0` header block (ADR-4).
 * @throws SpanwireError `invalid-header` for a name or value that would break the block
 */
export function encodeHeaders(fields: HeaderFields, status?: number, description?: string): Uint8Array {
  return encodeFields(
    fields,
    status === undefined ? HEADER_VERSION : `${HEADER_VERSION} ${status}${description ? ` ${description}` : ''}`,
  )
}

/**
 * Decodes a header block (ADR-4).
 * @throws SpanwireError `protocol-violation` if it is not one
 */
export function parseHeaders(bytes: Uint8Array): HeaderBlock {
  const [line = ''] = decode(bytes).split(CRLF, 1)
  const first = FIRST_LINE.exec(trimBlanks(line))
  if (!first)
    throw new SpanwireError(
      'protocol-violation',
      'A header block must begin with NATS/1.0, optionally followed by a status.',
    )
  const [, status, description] = first
  const fields = readFields(bytes)
  return status === undefined
    ? { fields }
    : { status: Number(status), description: trimBlanks(description as string), fields }
}
