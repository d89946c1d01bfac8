import { decodeProtectedHeader, UnsecuredJWT } from 'jose'
import { encode } from '../../sdk/wire/bytes.ts'

import type { VerifyNow } from './keys.ts'

/** The header `{"alg":"none"}`. */
const UNSIGNED = 'eyJhbGciOiJub25lIn0'
/** Length of an HS256 signature in base64url (RFC 7518, section 3.2), in characters. */
const SIGNATURE = 43

/**
 * Verifies HS256 tokens at once. Web Crypto, which jose uses, takes a thread and ten times the CPU for each signature, which
 * is the largest part of a connect. jose checks the claims. Not a part of the Worker, whose size counts.
 * @returns undefined on a runtime without Node's crypto module
 */
export function createHs256(secret: Uint8Array): VerifyNow | undefined {
  const crypto = globalThis.process?.getBuiltinModule?.('node:crypto')
  if (!crypto) return undefined
  const key = crypto.createSecretKey(secret)
  /** The last header that was accepted. Applications sign all tokens with the same one. */
  let known = ''
  return (token, checks) => {
    const [header, payload, signature = '', ...more] = token.split('.')
    const given = encode(signature)
    if (given.length !== SIGNATURE || more.length > 0 || header === undefined) return undefined
    if (header !== known && !isPlainHs256(token)) return undefined
    known = header
    const expected = crypto.createHmac('sha256', key).update(`${header}.${payload}`).digest('base64url')
    if (!crypto.timingSafeEqual(encode(expected), given)) return undefined
    return UnsecuredJWT.decode(`${UNSIGNED}.${payload}.`, checks).payload
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
