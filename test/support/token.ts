import { SignJWT } from 'jose'

/** The shared secret of test bridges. */
export const SECRET = 'a secret of at least thirty-two bytes'

/** Permissions and lifetime of a test token. Default: no permissions. */
export interface Grants {
  readonly sub?: string
  readonly pub?: { readonly allow?: readonly string[]; readonly deny?: readonly string[] }
  readonly subscribe?: { readonly allow?: readonly string[]; readonly deny?: readonly string[] }
  /** Reply permissions. */
  readonly resp?: { readonly max?: number; readonly ttl?: number }
  /** Lifetime in s. Default one hour. */
  readonly expiresIn?: number
}

/** Signs a token as an application does. */
export function createToken({ sub = 'tester', pub, subscribe, resp, expiresIn = 3_600 }: Grants): Promise<string> {
  return new SignJWT({ nats: { pub, sub: subscribe, resp } })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(sub)
    .setExpirationTime(Math.floor(Date.now() / 1000) + expiresIn)
    .sign(new TextEncoder().encode(SECRET))
}

/** Signs a token with all permissions. */
export function rootToken(): Promise<string> {
  return createToken({ pub: { allow: ['>'] }, subscribe: { allow: ['>'] } })
}
