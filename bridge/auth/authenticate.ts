import { SpanwireError } from '../../sdk/wire/errors.ts'
import { isSubjectFilter } from '../../sdk/wire/subject.ts'
import type { Credentials, Identity } from './identity.ts'
import type { CreateHs256 } from './keys.ts'
import { createNatsUserVerifier } from './nats-user.ts'
import type { Permissions } from './permissions.ts'
import { createTokenVerifier, type TokenOptions } from './token-verifier.ts'

/** How clients authenticate. At least one method is required. */
export interface AuthOptions extends TokenOptions {
  /** Public keys (`A…`) of NATS accounts and their signing keys. Their users may connect with NATS credentials. Default: none. */
  readonly accounts?: readonly string[]
  /** Name of a cookie with the token, for pages of this host or a listed origin. Default: none. */
  readonly cookie?: string
  /**
   * Largest remaining lifetime of a token in a URL, in s. Only `GET /events?token=` accepts one, because a browser's
   * EventSource can't send headers, and URLs end up in logs. Default 600. 0 accepts none.
   */
  readonly urlTokenLifetime?: number
  /** Permissions of clients without credentials. Default: they are refused. */
  readonly anonymous?: Permissions
}

/** Authenticates credentials. @throws SpanwireError (as rejection) `authentication-failed`, `upstream-unavailable` */
export type Authenticate = (credentials: Credentials) => Promise<Identity>

/** @throws SpanwireError `invalid-argument` without a method, and for a malformed option */
export function createAuthenticator(
  options: AuthOptions,
  clock: () => number = Date.now,
  createHs256?: CreateHs256,
): Authenticate {
  const { accounts, anonymous } = options
  const tokens = [options.secret, options.publicKey, options.jwksUrl].some((source) => source !== undefined)
  if (!tokens && !accounts?.length && !anonymous) {
    throw new SpanwireError(
      'invalid-argument',
      'The bridge would refuse all clients. Set auth.secret, auth.publicKey, auth.jwksUrl, auth.accounts or auth.anonymous.',
    )
  }
  for (const rules of anonymous ? [anonymous.publish, anonymous.subscribe] : []) {
    const bad = [...rules.allow, ...rules.deny].find((filter) => !isSubjectFilter(filter))
    if (bad !== undefined) {
      throw new SpanwireError(
        'invalid-argument',
        `auth.anonymous contains ${JSON.stringify(bad)}, which is not a valid subject filter.`,
      )
    }
  }
  const verifyToken = tokens ? createTokenVerifier(options, createHs256) : undefined
  const verifyNatsUser = accounts?.length ? createNatsUserVerifier(accounts, clock) : undefined

  return async (credentials) => {
    const { token, jwt } = credentials
    // A NATS user JWT has the algorithm ed25519-nkey. Any other value is a token for the bridge.
    if (jwt && verifyNatsUser && isNatsUser(jwt)) return verifyNatsUser(credentials)
    const presented = token || jwt
    if (presented && verifyToken) return verifyToken(presented)
    if (!presented && anonymous) return { user: '', permissions: anonymous }
    throw new SpanwireError(
      'authentication-failed',
      presented ? 'This kind of credentials is not accepted.' : 'Credentials are required.',
    )
  }
}

function isNatsUser(jwt: string): boolean {
  try {
    const header = jwt.slice(0, jwt.indexOf('.')).replaceAll('-', '+').replaceAll('_', '/')
    return JSON.parse(atob(header)).alg === 'ed25519-nkey'
  } catch {
    return false
  }
}
