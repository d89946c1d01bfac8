import { type JWTPayload, jwtVerify } from 'jose'
import { SpanwireError } from '../../sdk/errors.ts'
import { isSubjectFilter } from '../../sdk/subject.ts'
import type { Permissions, SubjectRules } from './permissions.ts'

/** Who a client is and what it may do, for as long as its token says. */
export interface Identity {
  /** The token's `sub`. */
  readonly user: string
  readonly permissions: Permissions
  /** When the token expires, in ms since 1970; undefined if it doesn't. */
  readonly expiresAt?: number
}

/** How tokens are checked. */
export interface TokenOptions {
  /** The shared secret of HS256 tokens: at least 32 bytes (RFC 7518, section 3.2). */
  readonly secret: string | Uint8Array
  /** If given, a token's `iss` must equal it. */
  readonly issuer?: string
  /** If given, a token's `aud` must hold it. */
  readonly audience?: string
  /** How far clocks may differ, in s. Default 5. */
  readonly clockTolerance?: number
}

/** Checks a token. Rejects with `authentication-failed` for every reason there is; the cause says which. */
export type VerifyToken = (token: string) => Promise<Identity>

/**
 * Verifies HS256 JWTs. Permissions come from the claim `nats`, in the shape of a NATS user JWT:
 * `{ pub: { allow, deny }, sub: { allow, deny } }`; what is not there is denied.
 * @throws SpanwireError `invalid-argument` for a secret that is too short
 */
export function createTokenVerifier(options: TokenOptions): VerifyToken {
  const key = typeof options.secret === 'string' ? new TextEncoder().encode(options.secret) : options.secret
  if (key.length < 32) {
    throw new SpanwireError(
      'invalid-argument',
      `auth.secret has ${key.length} bytes; HS256 needs at least 32 (try: openssl rand -base64 32).`,
    )
  }
  const checks = {
    // Pinned: a token doesn't get to choose how it is checked.
    algorithms: ['HS256'],
    clockTolerance: options.clockTolerance ?? 5,
    ...(options.issuer !== undefined && { issuer: options.issuer }),
    ...(options.audience !== undefined && { audience: options.audience }),
  }
  return async (token) => {
    try {
      return toIdentity((await jwtVerify(token, key, checks)).payload)
    } catch (cause) {
      throw new SpanwireError('authentication-failed', 'The token is not valid here.', { cause })
    }
  }
}

function toIdentity(claims: JWTPayload): Identity {
  const nats = asRecord(claims.nats)
  return {
    user: claims.sub ?? '',
    permissions: { publish: toRules(nats.pub, 'pub'), subscribe: toRules(nats.sub, 'sub') },
    ...(claims.exp !== undefined && { expiresAt: claims.exp * 1000 }),
  }
}

function toRules(value: unknown, name: string): SubjectRules {
  const rules = asRecord(value)
  return { allow: toFilters(rules.allow, `${name}.allow`), deny: toFilters(rules.deny, `${name}.deny`) }
}

function toFilters(value: unknown, name: string): string[] {
  if (value === undefined) return []
  // A deny that can't be read must not be skipped, so a malformed list refuses the whole token.
  if (!Array.isArray(value) || !value.every((filter) => typeof filter === 'string' && isSubjectFilter(filter))) {
    throw new SpanwireError('invalid-subject', `The claim nats.${name} must be an array of subject filters.`)
  }
  return value
}

function asRecord(value: unknown): Record<string, unknown> {
  if (value === undefined) return {}
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TypeError('The claim nats must be an object.')
  return value as Record<string, unknown>
}
