/** Encodings of foreign keys as subject tokens. Each encoding is reversible: different keys have different tokens. */
import { decode, encode } from '../../sdk/wire/bytes.ts'
import { SpanwireError } from '../../sdk/wire/errors.ts'

/** An encoding of keys as subject tokens. */
export interface KeyCoding {
  /** Returns the token of a key. @throws SpanwireError `invalid-params` for a key that it cannot encode */
  encode(key: Uint8Array | string | undefined): string
  /** Returns the key of a token. @throws SpanwireError `invalid-params` for a token that is not an encoded key */
  decode(token: string): Uint8Array
}

/** Text that percent-encoding does not change. */
const UNCHANGED = /^[\w~!@,:;=+$&'()/-]+$/
/** Keys from this length on, in bytes, are encoded byte by byte. */
const LONG_KEY = 256
const HEX = /^(?:[0-9a-f]{2})+$/
const BASE64URL = /^[A-Za-z0-9_-]+$/
/** Tokens of the empty key. No other key has them. */
const EMPTY = { percent: '%', base64url: '=', hex: '-' }

function bytesOf(key: Uint8Array | string | undefined): Uint8Array {
  if (key === undefined) throw refused('The message has no key. Compute the param from headers or data.')
  return typeof key === 'string' ? encode(key) : key
}

function refused(text: string): SpanwireError {
  return new SpanwireError('invalid-params', text)
}

/**
 * Percent-encoding. Letters, digits and `_~!@,:;=+$&'()/-` are unchanged. Another byte becomes `%XX`, an empty key `%`.
 * Tokens are readable.
 */
export const percent: KeyCoding = {
  encode(key) {
    const bytes = bytesOf(key)
    if (bytes.length === 0) return EMPTY.percent
    // Most keys need no encoding.
    const text = typeof key === 'string' ? key : bytes.length < LONG_KEY ? decode(bytes) : ''
    // The lengths differ for text that is not ASCII.
    if (text.length === bytes.length && UNCHANGED.test(text)) return text
    let token = ''
    for (const byte of bytes) {
      const char = String.fromCharCode(byte)
      token += /[\w~!@,:;=+$&'()/-]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
    }
    return token
  },
  decode(token) {
    if (token === EMPTY.percent) return new Uint8Array()
    if (/%(?![0-9A-F]{2})/.test(token) || token === '')
      throw refused(`${JSON.stringify(token)} is not percent-encoded.`)
    const bytes: number[] = []
    for (const [part, hex] of token.matchAll(/%([0-9A-F]{2})|[^%]+/g)) {
      if (hex) bytes.push(Number.parseInt(hex, 16))
      else bytes.push(...encode(part))
    }
    return new Uint8Array(bytes)
  },
}

/** base64url (RFC 4648) without padding. An empty key becomes `=`. Tokens are short, for binary keys. */
export const base64url: KeyCoding = {
  encode: (key) => Buffer.from(bytesOf(key)).toString('base64url') || EMPTY.base64url,
  decode(token) {
    if (token === EMPTY.base64url) return new Uint8Array()
    const bytes = new Uint8Array(Buffer.from(token, 'base64url'))
    // Unused bits would allow two tokens for one key.
    if (!BASE64URL.test(token) || base64url.encode(bytes) !== token)
      throw refused(`${JSON.stringify(token)} is not base64url.`)
    return bytes
  },
}

/** Two lower-case hexadecimal digits a byte. An empty key becomes `-`. */
export const hex: KeyCoding = {
  encode: (key) => Buffer.from(bytesOf(key)).toString('hex') || EMPTY.hex,
  decode(token) {
    if (token === EMPTY.hex) return new Uint8Array()
    if (!HEX.test(token)) throw refused(`${JSON.stringify(token)} is not hexadecimal.`)
    return new Uint8Array(Buffer.from(token, 'hex'))
  },
}

/** The key itself in UTF-8. A key that is not a token (`a.b`, a blank, `*`, empty, other bytes) is refused. */
export const plain: KeyCoding = {
  encode(key) {
    const bytes = bytesOf(key)
    const token = decode(bytes)
    const same = Buffer.from(encode(token)).equals(bytes)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are refused
    if (!same || token === '' || /[\u0000-\u0020\u007f.*>]/.test(token))
      throw refused(`The key ${JSON.stringify(token)} is not a subject token. Use percent, base64url or hex.`)
    return token
  },
  decode: (token) => encode(token),
}
