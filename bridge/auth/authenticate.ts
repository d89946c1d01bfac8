import { SpanwireError } from '../../sdk/wire/errors.ts'
import { isSubjectFilter } from '../../sdk/wire/subject.ts'
import type { Credentials, Identity } from './identity.ts'
import { createNatsUserVerifier } from './nats-user.ts'
import type { Permissions } from './permissions.ts'
import { createTokenVerifier, type TokenOptions } from './token.ts'

/** Who may use the bridge. Nobody, unless it says so. */
export interface AuthOptions extends TokenOptions {
  /** Public keys of NATS accounts, and of their signing keys, whose users may connect with their own credentials. */
  readonly accounts?: readonly string[]
  /** A cookie that may hold the token, for pages of this host or of a named origin. Default: none. */
  readonly cookie?: string
  /**
   * How long a token that comes in a URL may be valid from now, in s. Only `GET /events?token=` takes one, because a
   * browser's EventSource can send no header; URLs end up in logs and histories. Default 600; 0 to take none.
   */
  readonly urlTokenLifetime?: number
  /** What a client without any credentials may do. Default: it is refused. */
  readonly anonymous?: Permissions
}

/** Finds out who presents these credentials. Rejects with `authentication-failed`. */
export type Authenticate = (credentials: Credentials) => Promise<Identity>

/** @throws SpanwireError `invalid-argument` if nobody could ever get in, or an option is malformed */
export function createAuthenticator(options: AuthOptions, clock: () => number = Date.now): Authenticate {
  const { accounts, anonymous } = options
  const tokens = [options.secret, options.publicKey, options.jwksUrl].some((source) => source !== undefined)
  if (!tokens && !accounts?.length && !anonymous) {
    throw new SpanwireError(
      'invalid-argument',
      'The bridge would refuse everybody: give auth.secret, auth.publicKey, auth.jwksUrl, auth.accounts or auth.anonymous.',
    )
  }
  for (const rules of anonymous ? [anonymous.publish, anonymous.subscribe] : []) {
    const bad = [...rules.allow, ...rules.deny].find((filter) => !isSubjectFilter(filter))
    if (bad !== undefined) {
      throw new SpanwireError(
        'invalid-argument',
        `auth.anonymous holds ${JSON.stringify(bad)}, which is no subject filter.`,
      )
    }
  }
  const verifyToken = tokens ? createTokenVerifier(options) : undefined
  const verifyNatsUser = accounts?.length ? createNatsUserVerifier(accounts, clock) : undefined

  return async (credentials) => {
    const { token, jwt } = credentials
    // A user JWT names its algorithm ed25519-nkey; everything else in that place is a token of ours.
    if (jwt && verifyNatsUser && isNatsUser(jwt)) return verifyNatsUser(credentials)
    const presented = token || jwt
    if (presented && verifyToken) return verifyToken(presented)
    if (!presented && anonymous) return { user: '', permissions: anonymous }
    throw new SpanwireError(
      'authentication-failed',
      presented ? 'Such credentials are not accepted here.' : 'Credentials are required.',
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
