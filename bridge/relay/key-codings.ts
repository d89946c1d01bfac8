/** Keys of foreign brokers as tokens of subjects. Each encoding is reversible: no two keys share a token. */
import { decode, encode } from '../../sdk/wire/bytes.ts'
import { SpanwireError } from '../../sdk/wire/errors.ts'

/** An encoding of keys as subject tokens. */
export interface KeyCoding {
  /** @throws SpanwireError `invalid-params` for a key that it cannot write */
  encode(key: Uint8Array | string | undefined): string
  /** @throws SpanwireError `invalid-params` for a token that it did not write */
  decode(token: string): Uint8Array
}

const HEX = /^(?:[0-9a-f]{2})+$/
const BASE64URL = /^[A-Za-z0-9_-]+$/
/** A token that no key of one byte or more gives. */
const EMPTY = { percent: '%', base64url: '=', hex: '-' }

function bytesOf(key: Uint8Array | string | undefined): Uint8Array {
  if (key === undefined) throw refused('The message has no key. Use another source for the param.')
  return typeof key === 'string' ? encode(key) : key
}

function refused(text: string): SpanwireError {
  return new SpanwireError('invalid-params', text)
}

/** Letters, digits, `-`, `_` and the like stay. Each other byte becomes `%XX`, and an empty key `%`. Readable. */
export const percent: KeyCoding = {
  encode(key) {
    const bytes = bytesOf(key)
    if (bytes.length === 0) return EMPTY.percent
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

/** base64url (RFC 4648) without padding. An empty key becomes `=`. Short, for bytes. */
export const base64url: KeyCoding = {
  encode: (key) => Buffer.from(bytesOf(key)).toString('base64url') || EMPTY.base64url,
  decode(token) {
    if (token === EMPTY.base64url) return new Uint8Array()
    const bytes = new Uint8Array(Buffer.from(token, 'base64url'))
    // Bits that no byte needs would make two tokens of one key.
    if (!BASE64URL.test(token) || base64url.encode(bytes) !== token)
      throw refused(`${JSON.stringify(token)} is not base64url.`)
    return bytes
  },
}

/** Two lower-case digits a byte. An empty key becomes `-`. */
export const hex: KeyCoding = {
  encode: (key) => Buffer.from(bytesOf(key)).toString('hex') || EMPTY.hex,
  decode(token) {
    if (token === EMPTY.hex) return new Uint8Array()
    if (!HEX.test(token)) throw refused(`${JSON.stringify(token)} is not hexadecimal.`)
    return new Uint8Array(Buffer.from(token, 'hex'))
  },
}

/** The key as it is, in UTF-8. A key that is not a token (`a.b`, a blank, `*`, none, other bytes) is refused. */
export const plain: KeyCoding = {
  encode(key) {
    const bytes = bytesOf(key)
    const token = decode(bytes)
    const same = Buffer.from(encode(token)).equals(bytes)
    // Unicode: half a surrogate pair cannot be in decoded UTF-8.
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are refused
    if (!same || token === '' || /[\u0000-\u0020\u007f.*>]/.test(token))
      throw refused(`The key ${JSON.stringify(token)} is not a subject token. Use percent, base64url or hex.`)
    return token
  },
  decode: (token) => encode(token),
}
