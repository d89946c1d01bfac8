import type { Context, Handler } from 'hono'
import { importJWK, importPKCS8, type JWK, type JWTPayload, SignJWT } from 'jose'
import type { EventName, Events } from '../../sdk/contract/contract.ts'
import { SubjectTemplate } from '../../sdk/contract/template.ts'
import type { ParamsFilter } from '../../sdk/contract/template-types.ts'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { isSubjectFilter } from '../../sdk/wire/subject.ts'
import { toSecretKey } from './keys.ts'

/** The key that signs tokens. The bridge verifies them with the same secret, or with the public key. */
export type SigningKey =
  | {
      /** Shared secret for HS256, at least 32 bytes. */
      readonly secret: string | Uint8Array
    }
  | {
      /** Private key as PEM (PKCS #8) or JWK. */
      readonly privateKey: string | JWK
      /** Signature algorithm, such as `ES256`. */
      readonly algorithm: string
      /** Id of the key in the JWKS. Default: none. */
      readonly keyId?: string
    }

/**
 * Subjects of a permission: an event of the contract, for all or some parameters, or a subject filter. The bridge replaces
 * `{{claim}}` in a filter.
 */
export type Grant<Contract> =
  | EventName<Contract>
  | { [Name in EventName<Contract>]: readonly [name: Name, params: ParamsFilter<Name>] }[EventName<Contract>]
  | { readonly filter: string }

/** Content of a token. */
export type TokenClaims<Contract extends Events> = {
  /** The user: the claim `sub`. */
  readonly user: string
  /** Contract with the events in grants. */
  readonly events: Contract
  /** Subjects that the user may publish to. Default: none. */
  readonly publish?: ReadonlyArray<Grant<Contract>>
  /** Subjects that the user may subscribe to. Default: none. */
  readonly subscribe?: ReadonlyArray<Grant<Contract>>
  /** Exceptions to the grants. Default: none. */
  readonly deny?: {
    /** Subjects that the user must not publish to. */
    readonly publish?: ReadonlyArray<Grant<Contract>>
    /** Subjects that the user must not subscribe to. */
    readonly subscribe?: ReadonlyArray<Grant<Contract>>
  }
  /** Permission of responders to publish to reply subjects. Default: none. */
  readonly reply?: {
    /** Replies per request. Default 1. */
    readonly max?: number
    /** Time to reply, in ms. Default 120,000. */
    readonly ttl?: number
  }
  /** Lifetime, in s. The SDK renews it in time. Keep it short: a token can't be revoked. */
  readonly expiresIn: number
  /** The claim `iss`. Default: none. */
  readonly issuer?: string
  /** The claim `aud`. Default: none. */
  readonly audience?: string
  /** More claims, such as the tenant for `subjectPrefix`. Default: none. */
  readonly claims?: JWTPayload
}

/**
 * Signs a token for a bridge, in any runtime.
 *
 *     await signToken({ secret, user: 'ada', events, subscribe: [['chat.{room}.message', { room: 'lobby' }]], expiresIn: 300 })
 *
 * @throws SpanwireError (as rejection) `invalid-argument`, `invalid-params`, `invalid-subject`
 */
export async function signToken<Contract extends Events>(options: SigningKey & TokenClaims<Contract>): Promise<string> {
  const { user, publish, subscribe, deny, reply, expiresIn, issuer, audience, claims } = options
  if (!(expiresIn > 0))
    throw new SpanwireError('invalid-argument', `expiresIn is ${expiresIn}. It must be a number of seconds above 0.`)
  const { key, header } = await importKey(options)
  const now = Math.floor(Date.now() / 1000)
  const token = new SignJWT({
    ...claims,
    nats: {
      pub: { allow: toFilters(options.events, publish), deny: toFilters(options.events, deny?.publish) },
      sub: { allow: toFilters(options.events, subscribe), deny: toFilters(options.events, deny?.subscribe) },
      // In ns, as in a NATS user JWT.
      ...(reply && { resp: { max: reply.max ?? 1, ttl: (reply.ttl ?? 120_000) * 1e6 } }),
    },
  })
    .setProtectedHeader(header)
    .setSubject(user)
    .setIssuedAt(now)
    .setExpirationTime(now + Math.ceil(expiresIn))
  if (issuer !== undefined) token.setIssuer(issuer)
  if (audience !== undefined) token.setAudience(audience)
  return token.sign(key)
}

/**
 * A Hono handler that issues a token for the session of an application:
 *
 *     app.get('/token', tokenEndpoint({ secret }, async (c) => {
 *       const user = await sessionOf(c)
 *       return user && { user: user.id, events, subscribe: ['orders.{orderId}.created'], expiresIn: 300 }
 *     }))
 *
 * Responds with `{ token, expiresIn }`, or with 401 if `grant` returns nothing. Pages set the SDK's option
 * `token: async () => (await (await fetch('/token')).json()).token`.
 */
export function tokenEndpoint<Contract extends Events>(
  key: SigningKey,
  grant: (c: Context) => TokenClaims<Contract> | undefined | null | Promise<TokenClaims<Contract> | undefined | null>,
): Handler {
  return async (c) => {
    // A token is personal: caches must not store it.
    c.header('Cache-Control', 'no-store')
    const claims = await grant(c)
    if (!claims) return c.json({ code: 'authentication-failed', detail: 'Sign in first.' }, 401)
    return c.json({ token: await signToken({ ...key, ...claims }), expiresIn: claims.expiresIn })
  }
}

async function importKey(options: SigningKey) {
  if ('secret' in options) {
    return { key: toSecretKey(options.secret, 'secret'), header: { alg: 'HS256' } }
  }
  const { privateKey, algorithm: alg, keyId } = options
  const key = typeof privateKey === 'string' ? await importPKCS8(privateKey, alg) : await importJWK(privateKey, alg)
  return { key, header: { alg, ...(keyId !== undefined && { kid: keyId }) } }
}

function toFilters<Contract extends Events>(events: Contract, grants: ReadonlyArray<Grant<Contract>> = []): string[] {
  return grants.map((grant) => {
    if (isFilter(grant)) {
      if (!isSubjectFilter(grant.filter.replace(/\{\{[^{}]*\}\}/g, 'claim'))) {
        throw new SpanwireError('invalid-subject', `${JSON.stringify(grant.filter)} is not a valid subject filter.`)
      }
      return grant.filter
    }
    const [name, params] = typeof grant === 'string' ? [grant, {}] : grant
    if (!Object.hasOwn(events, name))
      throw new SpanwireError(
        'unknown-event',
        `The contract has no event ${JSON.stringify(name)}. Add it, or grant { filter }.`,
      )
    return new SubjectTemplate(name).filter(params)
  })
}

/** Arrays have a method `filter`. */
function isFilter<Contract>(grant: Grant<Contract>): grant is { readonly filter: string } {
  return typeof grant === 'object' && !Array.isArray(grant)
}
