import { errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose'
import { isSpanwireError, SpanwireError } from '../../sdk/wire/errors.ts'
import { isSubject } from '../../sdk/wire/subject.ts'
import { fillTemplate, toPermissions } from './claims.ts'
import type { Identity } from './identity.ts'
import { type CreateHs256, createKeys, type KeyOptions } from './keys.ts'
import type { Permissions } from './permissions.ts'

/** How tokens are verified, and their permissions. */
export interface TokenOptions extends KeyOptions {
  /** Required value of the claim `iss`. Default: any. */
  readonly issuer?: string
  /** Required value in the claim `aud`. Default: any. */
  readonly audience?: string
  /** Whether tokens must have the claim `exp`. Default `false`: a token without it never expires. */
  readonly requireExpiration?: boolean
  /** Tolerated difference of clocks, in s. Default 5. */
  readonly clockTolerance?: number
  /**
   * Returns the permissions of a verified token. An error refuses the client. Default: its claim `nats`, in the format of a
   * NATS user JWT (`pub`, `sub`, `resp`), with `{{claim}}` replaced by claims of the token.
   */
  readonly authorize?: (claims: JWTPayload) => Permissions | Promise<Permissions>
  /**
   * Prefix of all subjects of a client, which separates tenants, such as `tenants.{{org}}`. `{{claim}}` is replaced by claims
   * of the token. See {@link Identity.subjectPrefix}. Default: none.
   */
  readonly subjectPrefix?: string
}

/**
 * Verifies JWTs.
 * @returns a function that returns the identity of a token. It rejects with `authentication-failed`, with the reason in
 * `cause` only, and with `upstream-unavailable` if the JWKS is unavailable
 * @throws SpanwireError `invalid-argument`
 */
export function createTokenVerifier(
  options: TokenOptions,
  createHs256?: CreateHs256,
): (token: string) => Promise<Identity> {
  const keys = createKeys(options, createHs256)
  const authorize = options.authorize ?? toPermissions
  const checks = {
    clockTolerance: options.clockTolerance ?? 5,
    ...(options.issuer !== undefined && { issuer: options.issuer }),
    ...(options.audience !== undefined && { audience: options.audience }),
    ...(options.requireExpiration && { requiredClaims: ['exp'] }),
  }

  async function verify(token: string): Promise<JWTPayload> {
    let refusal: unknown
    for (const { key, algorithms, verifyNow } of await keys()) {
      try {
        const verified = verifyNow?.(token, checks)
        if (verified) return verified
        // jose has separate overloads for keys and key finders.
        return (await jwtVerify(token, key as JWTVerifyGetKey, { ...checks, algorithms })).payload
      } catch (cause) {
        refusal = cause
      }
    }
    throw refusal
  }

  return async (token) => {
    try {
      const claims = await verify(token)
      const prefix = options.subjectPrefix && fillTemplate(options.subjectPrefix, claims)
      if (prefix !== undefined && (!isSubject(prefix) || /^(\$|_INBOX(\.|$))/.test(prefix))) {
        throw new SpanwireError(
          'invalid-subject',
          'auth.subjectPrefix must be a valid subject, and not begin with $ or _INBOX.',
        )
      }
      return {
        user: readUser(claims.sub),
        permissions: await authorize(claims),
        ...(claims.exp !== undefined && { expiresAt: claims.exp * 1000 }),
        ...(prefix !== undefined && { subjectPrefix: prefix }),
        ...(claims.presence !== undefined && { presence: claims.presence }),
      }
    } catch (cause) {
      if (isOutage(cause))
        throw new SpanwireError('upstream-unavailable', 'The JWKS is temporarily unavailable. Try again.', { cause })
      throw new SpanwireError('authentication-failed', 'The token is not valid.', { cause })
    }
  }
}

/** Whether the JWKS failed, so that the token was not verified. */
function isOutage(cause: unknown): boolean {
  if (cause instanceof errors.JWKSTimeout || cause instanceof errors.JWKSInvalid) return true
  if (isSpanwireError(cause, 'upstream-unavailable')) return true
  // Thrown by fetch, and by jose for a response that is not a JWKS.
  return cause instanceof TypeError || (cause instanceof errors.JOSEError && cause.code === 'ERR_JOSE_GENERIC')
}

/** Limits and administration compare users as text. Any other value would be no user. */
function readUser(sub: unknown): string {
  if (sub === undefined) return ''
  if (typeof sub === 'string') return sub
  throw new SpanwireError('authentication-failed', 'The claim sub must be a string.')
}
