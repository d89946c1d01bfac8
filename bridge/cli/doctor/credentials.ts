/** Checks of the token: accepted, expired, permissions. */

import { messageOf } from '../../../sdk/kit/error-text.ts'
import type { Transport } from '../../../sdk/transport/transport.ts'
import { isSpanwireError } from '../../../sdk/wire/errors.ts'
import { filtersOverlap, isSubsetFilter } from '../../../sdk/wire/subject.ts'
import { maySubscribe, type Permissions } from '../../auth/permissions.ts'
import { createTokenVerifier } from '../../auth/token-verifier.ts'
import { type ReadToken, readToken } from '../connection/token-text.ts'
import { whenOpen } from '../connection/when-open.ts'
import { formatDuration } from '../terminal/duration.ts'
import { type Finding, fail, ok, warn } from './finding.ts'
import { PATIENCE } from './reach.ts'

/** How far clocks may differ before a bridge refuses a token, in ms. */
const TOLERANCE = 5_000

/** Checks the token's own text. Other credentials have none. */
export function checkTokenText(token: string | undefined, now: number): { findings: Finding[]; read?: ReadToken } {
  if (token === undefined) return { findings: [] }
  let read: ReadToken
  try {
    read = readToken(token)
  } catch (error) {
    const advice = 'Give the token as your application signed it, without quotes or line breaks.'
    return { findings: [fail('token', messageOf(error), advice)] }
  }
  const { expiresAt, notBefore, user, problem } = read
  if (expiresAt !== undefined && expiresAt + TOLERANCE <= now)
    return {
      read,
      findings: [
        fail(
          'token',
          `it expired ${formatDuration(now - expiresAt)} ago, at ${new Date(expiresAt).toISOString()}`,
          'Get a new one. Give the SDK a function as token: it is called for a new one in time.',
        ),
      ],
    }
  if (notBefore !== undefined && notBefore - TOLERANCE > now)
    return {
      read,
      findings: [
        fail(
          'token',
          `it is not valid before ${new Date(notBefore).toISOString()}`,
          'Compare the clocks of this machine and of the one that signs.',
        ),
      ],
    }
  if (problem !== undefined)
    return {
      read,
      findings: [
        fail('token', `its permissions can't be read: ${problem}`, 'Sign it with signToken of spanwire/auth.'),
      ],
    }
  const ends = expiresAt === undefined ? 'never ends' : `ends in ${formatDuration(expiresAt - now)}`
  const fact = `for ${user === '' ? 'no user' : JSON.stringify(user)}, ${ends}`
  return {
    read,
    findings: [
      expiresAt === undefined ? warn('token', fact, 'Let tokens end: they can not be taken back.') : ok('token', fact),
    ],
  }
}

/** Checks that the bridge accepts the credentials. */
export async function checkConnection(
  transport: Transport,
  url: string,
  { token, secret }: { readonly token: string | undefined; readonly secret: string | undefined },
): Promise<Finding> {
  try {
    await whenOpen(transport, url, PATIENCE)
    return ok('credentials', token === undefined ? 'clients without a token are admitted' : 'the token is accepted')
  } catch (error) {
    if (!isSpanwireError(error, 'authentication-failed'))
      return fail('credentials', `no connection: ${messageOf(error)}`, 'See the findings above.')
    if (token === undefined)
      return fail(
        'credentials',
        'the bridge requires a token, and none was given',
        'Give --token, --token-file or SPANWIRE_TOKEN.',
      )
    if (secret !== undefined && !(await isSignedBy(token, secret)))
      return fail(
        'credentials',
        'the token is refused: it is signed with another secret than AUTH_SECRET of this machine',
        'Sign with the secret that the bridge has (AUTH_SECRET there), and check both for line breaks at the end.',
      )
    return fail(
      'credentials',
      'the token is refused: its signature, issuer or audience does not match the bridge',
      'Compare AUTH_SECRET (or the key) of the bridge with the one that signs, and the issuer and audience of both: spanwire token decode.',
    )
  }
}

async function isSignedBy(token: string, secret: string): Promise<boolean> {
  const nothing = { allow: [], deny: [] }
  try {
    await createTokenVerifier({
      secret,
      clockTolerance: Number.MAX_SAFE_INTEGER,
      authorize: () => ({ publish: nothing, subscribe: nothing }),
    })(token)
    return true
  } catch {
    return false
  }
}

/** Subjects that the caller needs. */
export interface Needs {
  /** Filters that must be allowed, by how they are called in the output. */
  readonly publish: ReadonlyArray<readonly [name: string, filter: string]>
  readonly subscribe: ReadonlyArray<readonly [name: string, filter: string]>
}

/** Lists the token's permissions, or checks the needed ones. */
export function checkPermissions(permissions: Permissions, needs: Needs): Finding[] {
  const findings: Finding[] = []
  for (const verb of ['publish', 'subscribe'] as const)
    for (const [name, filter] of needs[verb]) {
      const { allow, deny } = permissions[verb]
      const isAllowed =
        verb === 'subscribe'
          ? maySubscribe(permissions, filter) !== 'refused'
          : allow.some((rule) => isSubsetFilter(filter, rule)) && !deny.some((rule) => filtersOverlap(rule, filter))
      findings.push(
        isAllowed
          ? ok('permission', `may ${verb} ${verb === 'subscribe' ? 'to ' : ''}${name}`)
          : fail(
              'permission',
              `may not ${verb} ${verb === 'subscribe' ? 'to ' : ''}${name} (${filter})`,
              `Sign the token with ${verb}: ['${name}']. It allows ${allow.join(', ') || 'nothing'}${deny.length > 0 ? `, but not ${deny.join(', ')}` : ''}.`,
            ),
      )
    }
  if (findings.length > 0) return findings
  const rules = (verb: keyof Needs) => permissions[verb].allow.join(', ') || 'nothing'
  const fact = `may publish ${rules('publish')}; may subscribe to ${rules('subscribe')}`
  const isNothing = permissions.publish.allow.length + permissions.subscribe.allow.length === 0
  return [
    isNothing
      ? fail('permission', fact, 'Sign the token with publish and subscribe: other subjects are denied.')
      : ok('permission', fact),
  ]
}
