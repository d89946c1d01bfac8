import {
  importJWK,
  importSPKI,
  type JWK,
  type JWTClaimVerificationOptions,
  type JWTPayload,
  type JWTVerifyGetKey,
  type KeyObject,
} from 'jose'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { createKeySet } from './key-set.ts'

/** Keys that verify tokens. Exactly one of `secret`, `publicKey` and `jwksUrl` is required. */
export interface KeyOptions {
  /**
   * Shared secret of HS256 tokens, at least 32 bytes (RFC 7518, section 3.2). With a list, a token that any of them signed
   * is accepted, which allows rotation.
   */
  readonly secret?: Secret | readonly Secret[]
  /** Public key as PEM (SPKI) or JWK, or a list for rotation. Needs `algorithms`, unless it is a JWK with `alg`. */
  readonly publicKey?: PublicKey | readonly PublicKey[]
  /**
   * URL of a JSON Web Key Set, of up to 512 KiB. Cached for ten minutes. An unknown key id fetches it again. It is fetched at
   * most every 30 s, also after a failure. While it is unavailable, new clients need a cached key, and connected clients stay.
   */
  readonly jwksUrl?: string
  /**
   * Accepted signature algorithms. A token must not choose how it is verified, so they are fixed here. Default: HS256 for a
   * secret; RS256, ES256 and EdDSA for a JWKS.
   */
  readonly algorithms?: readonly string[]
}

type Secret = string | Uint8Array
type PublicKey = string | JWK

/** A key, and the algorithms for which it is accepted. */
export interface Key {
  readonly key: CryptoKey | KeyObject | Uint8Array | JWTVerifyGetKey
  readonly algorithms: string[]
  readonly verifyNow?: VerifyNow | undefined
}

/**
 * Verifies a token without a wait. Returns undefined for a token that it does not accept, which jose judges.
 * @throws an error of jose for its claims
 */
export type VerifyNow = (token: string, checks: JWTClaimVerificationOptions) => JWTPayload | undefined

/** Creates a {@link VerifyNow} for HS256 tokens. Undefined if the runtime has no way. */
export type CreateHs256 = (secret: Uint8Array) => VerifyNow | undefined

const ASYMMETRIC = /^(RS|PS|ES)(256|384|512)$|^EdDSA$|^Ed25519$/
/** In bytes: RFC 7518, section 3.2. */
export const MIN_SECRET = 32

/**
 * Reads keys from options. A malformed public key is reported on its first use, because its import is asynchronous.
 * @throws SpanwireError `invalid-argument`
 */
export function createKeys(options: KeyOptions, createHs256?: CreateHs256): () => Promise<readonly Key[]> {
  const { secret, publicKey, jwksUrl } = options
  if ([secret, publicKey, jwksUrl].filter((source) => source !== undefined).length !== 1) {
    throw new SpanwireError('invalid-argument', 'Set exactly one of auth.secret, auth.publicKey and auth.jwksUrl.')
  }
  if (secret !== undefined) {
    const keys = toList(secret).map((one) => secretKey(one, options.algorithms, createHs256))
    return async () => keys
  }
  // With HS256, the public key would be sufficient to sign tokens (RFC 8725, section 2.1).
  const algorithms = options.algorithms ?? []
  const bad = algorithms.find((algorithm) => !ASYMMETRIC.test(algorithm))
  if (bad !== undefined) {
    throw new SpanwireError(
      'invalid-argument',
      `auth.algorithms contains ${bad}, which is not valid with a public key.`,
    )
  }
  if (jwksUrl !== undefined) {
    const url = URL.parse(jwksUrl)
    if (!url || !/^https?:$/.test(url.protocol))
      throw new SpanwireError(
        'invalid-argument',
        `auth.jwksUrl is ${JSON.stringify(jwksUrl)}. It must be an https URL.`,
      )
    const key = createKeySet(url)
    return async () => [{ key, algorithms: algorithms.length > 0 ? [...algorithms] : ['RS256', 'ES256', 'EdDSA'] }]
  }
  let imported: Promise<Key[]> | undefined
  const keys = toList(publicKey as PublicKey).map((one) => () => importPublicKey(one, algorithms))
  return () => {
    imported ??= Promise.all(keys.map((load) => load()))
    return imported
  }
}

/**
 * The bytes of a shared secret.
 * @param what name of the option, for errors
 * @throws SpanwireError `invalid-argument` if it is too short
 */
export function toSecretKey(secret: Secret, what: string): Uint8Array {
  const key = typeof secret === 'string' ? new TextEncoder().encode(secret) : secret
  if (key.length < MIN_SECRET) {
    throw new SpanwireError(
      'invalid-argument',
      `${what} has ${key.length} bytes. HS256 needs at least ${MIN_SECRET}: openssl rand -base64 32.`,
    )
  }
  return key
}

function secretKey(secret: Secret, algorithms: readonly string[] = ['HS256'], createHs256?: CreateHs256): Key {
  const key = toSecretKey(secret, 'auth.secret')
  const bad = algorithms.find((algorithm) => !/^HS(256|384|512)$/.test(algorithm))
  if (bad !== undefined) {
    throw new SpanwireError(
      'invalid-argument',
      `auth.algorithms contains ${bad}, which is not valid with a shared secret.`,
    )
  }
  return { key, algorithms: [...algorithms], verifyNow: algorithms.includes('HS256') ? createHs256?.(key) : undefined }
}

async function importPublicKey(publicKey: PublicKey, pinned: readonly string[]): Promise<Key> {
  const algorithms = pinned.length > 0 ? [...pinned] : typeof publicKey === 'string' ? [] : [publicKey.alg ?? '']
  const [first] = algorithms
  if (!first || !ASYMMETRIC.test(first)) {
    throw new SpanwireError(
      'invalid-argument',
      'Set auth.algorithms to the algorithm of auth.publicKey, such as ["RS256"].',
    )
  }
  const key = typeof publicKey === 'string' ? await importSPKI(publicKey, first) : await importJWK(publicKey, first)
  return { key, algorithms }
}

function toList<T>(value: T | readonly T[]): readonly T[] {
  return Array.isArray(value) ? value : [value as T]
}
