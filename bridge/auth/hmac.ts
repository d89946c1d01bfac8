import { decodeProtectedHeader } from 'jose'
import { encode } from '../../sdk/wire/bytes.ts'

/** Whether a token has the HS256 signature of a secret. */
export type HasSignature = (token: string) => boolean

/** Length of an HS256 signature in base64url (RFC 7518, section 3.2), in characters. */
const SIGNATURE = 43

/**
 * Checks HS256 signatures at once. Web Crypto, which jose uses, takes a thread and ten times the CPU for each, which is the
 * largest part of a connect. A token that fails here is for jose to judge.
 * @returns undefined on a runtime without Node's crypto module
 */
export function createHs256(secret: Uint8Array): HasSignature | undefined {
  const crypto = globalThis.process?.getBuiltinModule?.('node:crypto')
  if (!crypto) return undefined
  const key = crypto.createSecretKey(secret)
  /** The last header that was accepted. Applications sign all tokens with the same one. */
  let known = ''
  return (token) => {
    const [header, payload, signature = '', ...more] = token.split('.')
    const given = encode(signature)
    if (given.length !== SIGNATURE || more.length > 0 || header === undefined) return false
    if (header !== known && !isPlainHs256(token)) return false
    known = header
    const expected = crypto.createHmac('sha256', key).update(`${header}.${payload}`).digest('base64url')
    return crypto.timingSafeEqual(encode(expected), given)
  }
}

/** Whether the header names HS256, and no extension that a verifier must understand (RFC 7515, section 4.1.11). */
function isPlainHs256(token: string): boolean {
  try {
    const { alg, crit, b64 } = decodeProtectedHeader(token)
    return alg === 'HS256' && crit === undefined && b64 === undefined
  } catch {
    return false
  }
}
