import type { User } from '@nats-io/jwt'
import { notInstalled } from '../../sdk/kit/optional-package.ts'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { isSubjectFilter } from '../../sdk/wire/subject.ts'
import { isAccountKey } from './account-key.ts'
import { toReplyPermission } from './claims.ts'
import type { Credentials, Identity } from './identity.ts'
import type { SubjectRules } from './permissions.ts'

type NatsAuth = Pick<typeof import('@nats-io/jwt'), 'decode'> & Pick<typeof import('@nats-io/nkeys'), 'fromPublic'>

/**
 * Loads the packages that verify credentials of NATS users.
 * @throws SpanwireError (as rejection) `unsupported` if they are not installed
 */
export async function loadNatsAuth(): Promise<NatsAuth> {
  const missing = notInstalled('auth.accounts', '@nats-io/jwt', '@nats-io/nkeys')
  const [{ decode }, { fromPublic }] = await Promise.all([
    import(/* webpackIgnore: true */ /* turbopackIgnore: true */ '@nats-io/jwt').catch(missing),
    import(/* webpackIgnore: true */ /* turbopackIgnore: true */ '@nats-io/nkeys').catch(missing),
  ])
  return { decode, fromPublic }
}

/**
 * Verifies NATS credentials (`.creds` files): a user JWT that a trusted account has signed, and the connection's nonce
 * signed by the user's key. Stock clients use them unchanged.
 * Source: https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro/jwt and ADR-14
 * @param accounts public keys (`A…`) of trusted accounts, and of their signing keys
 * @throws SpanwireError `invalid-argument`
 */
export function createNatsUserVerifier(
  accounts: readonly string[],
  clock: () => number,
): (credentials: Credentials) => Promise<Identity> {
  for (const account of accounts) {
    if (!isAccountKey(account))
      throw new SpanwireError(
        'invalid-argument',
        `auth.accounts contains ${account}, which is not the public key of an account (A…).`,
      )
  }
  const trusted = new Set(accounts)

  const loading = loadNatsAuth()
  // `serve` rejects. A host without a `serve` would refuse all NATS users without a reason.
  loading.catch((error: SpanwireError) => console.error(error.message))

  return async (credentials) => {
    const nats = await loading
    try {
      return verify(nats, credentials, { trusted, now: clock() })
    } catch (cause) {
      throw new SpanwireError('authentication-failed', 'The NATS credentials are not valid.', { cause })
    }
  }
}

/** Fields of a user's claims. Source: `UserPermissionLimits`, `User` and `GenericFields` of github.com/nats-io/jwt v2. */
const KNOWN: ReadonlySet<string> = new Set([
  ...['pub', 'sub', 'resp', 'subs', 'data', 'payload', 'src', 'times', 'times_location', 'bearer_token'],
  ...['proxy_required', 'allowed_connection_types', 'issuer_account', 'tags', 'type', 'version'],
])

/** A user with fields that the package does not know. */
type NewUser = User & { readonly proxy_required?: boolean; readonly times_location?: string }

function verify(
  { decode, fromPublic }: NatsAuth,
  { jwt = '', sig, nonce }: Credentials,
  { trusted, now }: { readonly trusted: ReadonlySet<string>; readonly now: number },
): Identity {
  // decode() verifies the signature with the key in `iss`. Whether that key is trusted is checked here.
  const claims = decode<NewUser>(jwt)
  const { nats } = claims
  if (nats.type !== 'user') throw new Error('not a user JWT')
  if (!trusted.has(claims.iss)) throw new Error('the issuer is not trusted')
  if (nats.issuer_account && !trusted.has(nats.issuer_account)) throw new Error('the issuer account is not trusted')
  if (claims.exp && claims.exp * 1000 <= now) throw new Error('expired')
  if (claims.nbf && claims.nbf * 1000 > now) throw new Error('not valid yet')
  const types = nats.allowed_connection_types ?? []
  if (types.length > 0 && !types.includes('WEBSOCKET')) throw new Error('not allowed over WebSocket')
  // Limits that the bridge can't check must not be ignored.
  const unknown = Object.keys(nats).find((field) => !KNOWN.has(field))
  if (unknown !== undefined) throw new Error(`the field ${JSON.stringify(unknown)} is not supported`)
  const { proxy_required, times_location = '' } = nats
  if (proxy_required) throw new Error('users that must connect by a trusted proxy are not supported')
  if (!isTimeZone(times_location)) throw new Error(`${JSON.stringify(times_location)} is not a known time zone`)
  if (nats.src?.length || nats.times?.length) throw new Error('limits by source or time of day are not supported')
  if (!nats.bearer_token && !signed(fromPublic(claims.sub), nonce, sig))
    throw new Error('the nonce is not signed by the user')
  // Permissions of a scoped signing key are in the account's JWT, which the bridge does not have. JWTs of all other users
  // have all fields, with -1 for no limit.
  const { pub, sub, resp, subs, payload, data } = nats
  if (![pub, sub, resp, subs, payload, data].some((part) => part !== undefined && part !== null && !isEmpty(part)))
    throw new Error('users of a scoped signing key are not supported')
  const reply = toReplyPermission(nats.resp)
  const publish = toRules(nats.pub)
  return {
    user: claims.sub,
    permissions: {
      // Like in nats-server, a user with `resp` and without publish rules may publish nothing else.
      publish: reply && publish.allow.length === 0 && publish.deny.length === 0 ? publish : openUnlessNamed(publish),
      subscribe: openUnlessNamed(toRules(nats.sub)),
      ...(reply && { reply }),
    },
    ...(claims.exp && { expiresAt: claims.exp * 1000 }),
    limits: {
      ...(isLimit(nats.subs) && { subscriptions: nats.subs }),
      ...(isLimit(nats.payload) && { payload: nats.payload }),
      ...(isLimit(nats.data) && { data: nats.data }),
    },
  }
}

/** False for a missing limit and for -1, which means unlimited. */
function isLimit(value: number | undefined): value is number {
  return (value ?? -1) >= 0
}

function isTimeZone(name: string): boolean {
  if (name === '') return true
  try {
    return Boolean(new Intl.DateTimeFormat('en', { timeZone: name }))
  } catch {
    return false
  }
}

/** Values that Go's `omitempty` leaves out, and other libraries may write. */
function isEmpty(part: unknown): boolean {
  return part === 0 || (typeof part === 'object' && part !== null && Object.values(part).every((list) => !list?.length))
}

function signed(user: ReturnType<NatsAuth['fromPublic']>, nonce: string | undefined, sig: string | undefined): boolean {
  if (!nonce || !sig) return false
  const signature = Uint8Array.from(atob(sig.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0))
  return user.verify(new TextEncoder().encode(nonce), signature)
}

function toRules(rules: { allow?: string[]; deny?: string[] } | undefined): SubjectRules {
  const { allow = [], deny = [] } = rules ?? {}
  const bad = [...allow, ...deny].find((filter) => !isSubjectFilter(filter))
  if (bad !== undefined) throw new Error(`${JSON.stringify(bad)} is not a valid subject filter`)
  return { allow, deny }
}

/** In NATS credentials a missing allow list means everything. */
function openUnlessNamed({ allow, deny }: SubjectRules): SubjectRules {
  return { allow: allow.length > 0 ? allow : ['>'], deny }
}
