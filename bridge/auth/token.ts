import { errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { isSubject } from '../../sdk/wire/subject.ts'
import { fillTemplate, toPermissions } from './claims.ts'
import type { Identity } from './identity.ts'
import { createKeys, type KeyOptions } from './keys.ts'
import type { Permissions } from './permissions.ts'

/** How tokens are checked and what they allow. */
export interface TokenOptions extends KeyOptions {
  /** If given, a token's `iss` must equal it. */
  readonly issuer?: string
  /** If given, a token's `aud` must hold it. */
  readonly audience?: string
  /** How far clocks may differ, in s. Default 5. */
  readonly clockTolerance?: number
  /**
   * What a verified token allows. Default: its claim `nats`, in the shape of a NATS user JWT (`pub`, `sub`, `resp`),
   * with `{{claim}}` filled from its claims. Throwing refuses the client.
   */
  readonly authorize?: (claims: JWTPayload) => Permissions | Promise<Permissions>
  /**
   * Keeps tenants apart: stands before every subject of the client, with `{{claim}}` filled, such as
   * `tenants.{{org}}`. See {@link Identity.subjectPrefix}.
   */
  readonly subjectPrefix?: string
}

/**
 * Verifies JWTs.
 * @returns a function that finds out who a token stands for; it rejects with `authentication-failed` whatever the
 * reason is, which only the cause says, and with `upstream-unavailable` if the key set can't be had
 * @throws SpanwireError `invalid-argument`
 */
export function createTokenVerifier(options: TokenOptions): (token: string) => Promise<Identity> {
  const keys = createKeys(options)
  const authorize = options.authorize ?? toPermissions
  const checks = {
    clockTolerance: options.clockTolerance ?? 5,
    ...(options.issuer !== undefined && { issuer: options.issuer }),
    ...(options.audience !== undefined && { audience: options.audience }),
  }

  async function verify(token: string): Promise<JWTPayload> {
    let refusal: unknown
    for (const { key, algorithms } of await keys()) {
      try {
        // jose has one signature for keys and one for key finders; both are told the same.
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
        throw new SpanwireError('invalid-subject', 'auth.subjectPrefix must be a subject, not under $ or _INBOX.')
      }
      return {
        user: claims.sub ?? '',
        permissions: await authorize(claims),
        ...(claims.exp !== undefined && { expiresAt: claims.exp * 1000 }),
        ...(prefix !== undefined && { subjectPrefix: prefix }),
        ...(claims.presence !== undefined && { presence: claims.presence }),
      }
    } catch (cause) {
      if (isOutage(cause))
        throw new SpanwireError('upstream-unavailable', 'The keys can not be had right now.', { cause })
      throw new SpanwireError('authentication-failed', 'The token is not valid here.', { cause })
    }
  }
}

/** Whether it was the key set that failed, and says nothing about the token. */
function isOutage(cause: unknown): boolean {
  if (cause instanceof errors.JWKSTimeout || cause instanceof errors.JWKSInvalid) return true
  // What fetch throws, and what jose says of an answer that is no key set.
  return cause instanceof TypeError || (cause instanceof errors.JOSEError && cause.code === 'ERR_JOSE_GENERIC')
}
