import { CRLF, encode } from '../../../sdk/wire/bytes.ts'
import { HEADER_VERSION, type HeaderFields } from '../../../sdk/wire/header-fields.ts'

/** Encodes fields of a client's message. Unlike `encodeHeaders`, it takes every field: a client chose the names. */
export function encodeCopied(fields: HeaderFields): Uint8Array {
  return encode([HEADER_VERSION, ...fields.map((field) => field.join(': ')), '', ''].join(CRLF))
}

/** Appends the fields of `more` to `headers`. */
export function joinHeaders(headers: Uint8Array, more: Uint8Array): Uint8Array {
  const first = '\r\n'.length
  const version = 'NATS/1.0\r\n'.length
  const joined = new Uint8Array(headers.length - first + more.length - version)
  joined.set(headers.subarray(0, headers.length - first))
  joined.set(more.subarray(version), headers.length - first)
  return joined
}
