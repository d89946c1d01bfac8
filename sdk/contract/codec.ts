import { decode, encode } from '../wire/bytes.ts'
import type { HeaderFields } from '../wire/headers.ts'

/** An event as bytes, ready to publish. */
export interface EncodedEvent {
  /** Subject to publish to. */
  readonly subject: string
  /** Encoded data. */
  readonly payload: Uint8Array
  /** Includes the id, by which a stream detects duplicates. */
  readonly headers: HeaderFields
}

/** Encodes and decodes the data of an event. An error that it throws becomes the `cause` of `invalid-data`. */
export interface Codec {
  /** Media type for HTTP, such as `application/json`. */
  readonly contentType: string
  /** Returns the payload. It must not change afterwards. */
  encode(data: unknown): Uint8Array
  /** Returns the data of a payload. */
  decode(bytes: Uint8Array): unknown
  /** Returns the data of a payload that was decoded as UTF-8 already. Optional, for speed. */
  decodeText?(text: string): unknown
}

/** JSON in UTF-8 (RFC 8259): the default. `undefined` is sent as an empty payload. */
export const json: Required<Codec> = {
  contentType: 'application/json',
  // A TextEncoder encodes undefined as no bytes.
  encode: (data) => encode(JSON.stringify(data)),
  // A byte order mark may be ignored (RFC 8259, section 8.1).
  decode: (bytes) => json.decodeText(decode(bytes).replace(/^\ufeff/, '')),
  decodeText: (text) => (text ? JSON.parse(text) : undefined),
}

/** Bytes, unchanged. */
export const raw: Codec = {
  contentType: 'application/octet-stream',
  // A copy: the payload may be sent later, or again, while the caller reuses its buffer. (A Buffer's slice is not a copy.)
  encode: (data) => new Uint8Array(data as Uint8Array),
  decode: (bytes) => bytes,
}
