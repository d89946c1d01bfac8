import { decode, encode } from '../wire/bytes.ts'
import type { HeaderFields } from '../wire/headers.ts'

/** An event as bytes, ready to publish. */
export interface EncodedEvent {
  readonly subject: string
  readonly payload: Uint8Array
  /** With its id, by which a stream drops what it has already. */
  readonly headers: HeaderFields
}

/** How an event's data becomes bytes and back. Either may throw: the error is the cause of an `invalid-data`. */
export interface Codec {
  /** For HTTP, such as `application/json`. */
  readonly contentType: string
  encode(data: unknown): Uint8Array
  decode(bytes: Uint8Array): unknown
  /** The same of bytes that were decoded as UTF-8 already. */
  decodeText?(text: string): unknown
}

/** JSON in UTF-8 (RFC 8259): the default. `undefined` is sent as no bytes at all. */
export const json: Required<Codec> = {
  contentType: 'application/json',
  encode: (data) => encode(data === undefined ? '' : JSON.stringify(data)),
  decode: (bytes) => json.decodeText(decode(bytes)),
  decodeText: (text) => (text ? JSON.parse(text) : undefined),
}

/** The bytes as they are. */
export const raw: Codec = {
  contentType: 'application/octet-stream',
  // Sent later, maybe again: what the caller does with its buffer meanwhile must not change it. (A Buffer's slice is no copy.)
  encode: (data) => new Uint8Array(data as Uint8Array),
  decode: (bytes) => bytes,
}
