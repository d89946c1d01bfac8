/** Reads tokens without checking their signature. */
import { decodeJwt, decodeProtectedHeader, type JWTPayload } from 'jose'
import { messageOf } from '../../../sdk/kit/error-text.ts'
import { SpanwireError } from '../../../sdk/wire/errors.ts'
import { toPermissions } from '../../auth/claims.ts'
import type { Permissions } from '../../auth/permissions.ts'

/** A token, read. Times are in ms since 1970. */
export interface ReadToken {
  readonly kind: 'token' | 'NATS user'
  readonly algorithm: string
  readonly user: string
  readonly issuer?: string
  readonly audience?: string | readonly string[]
  readonly issuedAt?: number
  readonly notBefore?: number
  readonly expiresAt?: number
  readonly permissions: Permissions
  /** Why the permissions can't be read: a bridge refuses the token for it. */
  readonly problem?: string
  readonly claims: JWTPayload
}

const NOTHING: Permissions = { publish: { allow: [], deny: [] }, subscribe: { allow: [], deny: [] } }

/**
 * Reads a token of a bridge, a NATS user JWT, or a `.creds` file, whose first part is one.
 * @throws SpanwireError `invalid-argument`
 */
export function readToken(text: string): ReadToken {
  const jwt = /-----BEGIN NATS USER JWT-----\s*(\S+)/.exec(text)?.[1] ?? text.trim()
  let claims: JWTPayload
  let algorithm: string
  try {
    claims = decodeJwt(jwt)
    algorithm = String(decodeProtectedHeaderOf(jwt))
  } catch (cause) {
    throw new SpanwireError(
      'invalid-argument',
      `That is not a JWT (three parts of base64url, separated by dots): ${jwt.length} characters.`,
      { cause },
    )
  }
  const isNats = algorithm === 'ed25519-nkey'
  const { permissions, problem } = readPermissions(claims, isNats)
  return {
    kind: isNats ? 'NATS user' : 'token',
    algorithm,
    user: claims.sub ?? '',
    ...(claims.iss !== undefined && { issuer: claims.iss }),
    ...(claims.aud !== undefined && { audience: claims.aud }),
    ...(claims.iat !== undefined && { issuedAt: claims.iat * 1000 }),
    ...(claims.nbf !== undefined && { notBefore: claims.nbf * 1000 }),
    ...(claims.exp !== undefined && { expiresAt: claims.exp * 1000 }),
    permissions,
    ...(problem !== undefined && { problem }),
    claims,
  }
}

function decodeProtectedHeaderOf(jwt: string): unknown {
  return decodeProtectedHeader(jwt).alg
}

function readPermissions(claims: JWTPayload, isNats: boolean): { permissions: Permissions; problem?: string } {
  try {
    const permissions = toPermissions(claims)
    // In NATS's own credentials no allow list means everything.
    return { permissions: isNats ? openUnlessNamed(permissions) : permissions }
  } catch (error) {
    return { permissions: NOTHING, problem: messageOf(error) }
  }
}

function openUnlessNamed({ publish, subscribe, ...more }: Permissions): Permissions {
  const open = ({ allow, deny }: Permissions['publish']) => ({ allow: allow.length > 0 ? allow : ['>'], deny })
  return { ...more, publish: open(publish), subscribe: open(subscribe) }
}
