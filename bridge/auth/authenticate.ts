import { SpanwireError } from '../../sdk/errors.ts'
import { isSubjectFilter } from '../../sdk/subject.ts'
import type { Permissions } from './permissions.ts'
import { createTokenVerifier, type Identity, type TokenOptions } from './token.ts'

/** Who may use the bridge. Nobody, unless a secret or anonymous permissions are given. */
export interface AuthOptions extends Partial<TokenOptions> {
  /** What a client without a token may do. Default: it is refused. */
  readonly anonymous?: Permissions
}

/** Finds out who presents these credentials. Rejects with `authentication-failed`. */
export type Authenticate = (token: string | undefined) => Promise<Identity>

/** @throws SpanwireError `invalid-argument` if nobody could ever get in, or an option is malformed */
export function createAuthenticator(options: AuthOptions): Authenticate {
  const { anonymous, secret } = options
  if (secret === undefined && anonymous === undefined) {
    throw new SpanwireError(
      'invalid-argument',
      'The bridge would refuse everybody: give auth.secret (or auth.anonymous permissions).',
    )
  }
  for (const rules of anonymous ? [anonymous.publish, anonymous.subscribe] : []) {
    const bad = [...rules.allow, ...rules.deny].find((filter) => !isSubjectFilter(filter))
    if (bad !== undefined)
      throw new SpanwireError(
        'invalid-argument',
        `auth.anonymous holds ${JSON.stringify(bad)}, which is no subject filter.`,
      )
  }
  const verify = secret === undefined ? undefined : createTokenVerifier({ ...options, secret })
  return async (token) => {
    if (token !== undefined && verify) return verify(token)
    if (token === undefined && anonymous) return { user: '', permissions: anonymous }
    throw new SpanwireError(
      'authentication-failed',
      token === undefined ? 'A token is required.' : 'Tokens are not accepted here.',
    )
  }
}
