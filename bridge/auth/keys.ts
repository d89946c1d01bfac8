import { createRemoteJWKSet, importJWK, importSPKI, type JWK, type JWTVerifyGetKey, type KeyObject } from 'jose'
import { SpanwireError } from '../../sdk/wire/errors.ts'

/** Where the keys come from that tokens are checked with: exactly one of the three. */
export interface KeyOptions {
  /**
   * Shared secret of HS256 tokens, at least 32 bytes each (RFC 7518, section 3.2). Several while one is rotated: a
   * token that any of them signed is accepted.
   */
  readonly secret?: Secret | readonly Secret[]
  /** Public key as PEM (SPKI) or JWK. Several while one is rotated. `algorithms` must be given too, unless a JWK has `alg`. */
  readonly publicKey?: PublicKey | readonly PublicKey[]
  /**
   * URL of a JSON Web Key Set. Cached for ten minutes; an unknown key id makes it fetched again, at most every 30 s.
   * While it can't be reached no new client gets in unless its key is cached, and nobody who is in gets thrown out.
   */
  readonly jwksUrl?: string
  /**
   * Signature algorithms that are accepted. Pinned here because a token must not choose how it is checked.
   * Default: HS256 for a secret; RS256, ES256 and EdDSA for a JWKS.
   */
  readonly algorithms?: readonly string[]
}

type Secret = string | Uint8Array
type PublicKey = string | JWK

/** One way a token may have been signed. */
export interface Key {
  readonly key: CryptoKey | KeyObject | Uint8Array | JWTVerifyGetKey
  readonly algorithms: string[]
}

const ASYMMETRIC = /^(RS|PS|ES)(256|384|512)$|^EdDSA$|^Ed25519$/
/** In bytes: RFC 7518, section 3.2. */
export const MIN_SECRET = 32

/**
 * The keys that these options name. Asynchronous where a key must be imported; a bad one is found on first use.
 * @throws SpanwireError `invalid-argument`
 */
export function createKeys(options: KeyOptions): () => Promise<readonly Key[]> {
  const { secret, publicKey, jwksUrl } = options
  if ([secret, publicKey, jwksUrl].filter((source) => source !== undefined).length !== 1) {
    throw new SpanwireError('invalid-argument', 'Give exactly one of auth.secret, auth.publicKey and auth.jwksUrl.')
  }
  if (secret !== undefined) {
    const keys = toList(secret).map((one) => secretKey(one, options.algorithms))
    return async () => keys
  }
  // A public key is no secret: were HS256 accepted with it, anybody could sign (RFC 8725, section 2.1).
  const algorithms = options.algorithms ?? []
  const bad = algorithms.find((algorithm) => !ASYMMETRIC.test(algorithm))
  if (bad !== undefined) {
    throw new SpanwireError('invalid-argument', `auth.algorithms holds ${bad}, which does not go with a public key.`)
  }
  if (jwksUrl !== undefined) {
    const url = URL.parse(jwksUrl)
    if (!url || !/^https?:$/.test(url.protocol))
      throw new SpanwireError('invalid-argument', `auth.jwksUrl is ${JSON.stringify(jwksUrl)}: give an https URL.`)
    const key = createRemoteJWKSet(url)
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
 * @param what the option's name, for the error
 * @throws SpanwireError `invalid-argument` if it is too short
 */
export function toSecretKey(secret: Secret, what: string): Uint8Array {
  const key = typeof secret === 'string' ? new TextEncoder().encode(secret) : secret
  if (key.length < MIN_SECRET) {
    throw new SpanwireError(
      'invalid-argument',
      `${what} has ${key.length} bytes; HS256 needs at least ${MIN_SECRET} (try: openssl rand -base64 32).`,
    )
  }
  return key
}

function secretKey(secret: Secret, algorithms: readonly string[] = ['HS256']): Key {
  const key = toSecretKey(secret, 'auth.secret')
  const bad = algorithms.find((algorithm) => !/^HS(256|384|512)$/.test(algorithm))
  if (bad !== undefined) {
    throw new SpanwireError('invalid-argument', `auth.algorithms holds ${bad}, which does not go with a shared secret.`)
  }
  return { key, algorithms: [...algorithms] }
}

async function importPublicKey(publicKey: PublicKey, pinned: readonly string[]): Promise<Key> {
  const algorithms = pinned.length > 0 ? [...pinned] : typeof publicKey === 'string' ? [] : [publicKey.alg ?? '']
  const [first] = algorithms
  if (!first || !ASYMMETRIC.test(first)) {
    throw new SpanwireError(
      'invalid-argument',
      'Name the algorithm of auth.publicKey in auth.algorithms, such as ["RS256"].',
    )
  }
  const key = typeof publicKey === 'string' ? await importSPKI(publicKey, first) : await importJWK(publicKey, first)
  return { key, algorithms }
}

function toList<T>(value: T | readonly T[]): readonly T[] {
  return Array.isArray(value) ? value : [value as T]
}
