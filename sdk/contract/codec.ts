/** How an event's data becomes bytes and back. Either may throw: the error is the cause of an `invalid-data`. */
export interface Codec {
  /** For HTTP, such as `application/json`. */
  readonly contentType: string
  encode(data: unknown): Uint8Array
  /** @param text the same as text, where that is at hand */
  decode(bytes: Uint8Array, text?: string): unknown
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** JSON in UTF-8 (RFC 8259): the default. `undefined` is sent as no bytes at all. */
export const json: Codec = {
  contentType: 'application/json',
  encode: (data) => encoder.encode(data === undefined ? '' : JSON.stringify(data)),
  decode: (bytes, text) => (bytes.length > 0 ? JSON.parse(text ?? decoder.decode(bytes)) : undefined),
}

/** The bytes as they are. */
export const raw: Codec = {
  contentType: 'application/octet-stream',
  encode: (data) => data as Uint8Array,
  decode: (bytes) => bytes,
}
