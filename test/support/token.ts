import { SignJWT } from 'jose'

/** The shared secret of test bridges. */
export const SECRET = 'a secret of at least thirty-two bytes'

/** What a token of a test allows; nothing by default. */
export interface Grants {
  readonly sub?: string
  readonly pub?: { readonly allow?: readonly string[]; readonly deny?: readonly string[] }
  readonly subscribe?: { readonly allow?: readonly string[]; readonly deny?: readonly string[] }
  /** In s from now; default one hour. */
  readonly expiresIn?: number
}

/** Signs a token as an application would. */
export function createToken({ sub = 'tester', pub, subscribe, expiresIn = 3_600 }: Grants): Promise<string> {
  return new SignJWT({ nats: { pub, sub: subscribe } })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(sub)
    .setExpirationTime(Math.floor(Date.now() / 1000) + expiresIn)
    .sign(new TextEncoder().encode(SECRET))
}

/** A token that allows everything. */
export function rootToken(): Promise<string> {
  return createToken({ pub: { allow: ['>'] }, subscribe: { allow: ['>'] } })
}
