import { importJWK, importPKCS8, type JWK, type JWTPayload, SignJWT } from 'jose'
import type { EventName, Events } from '../../sdk/contract/contract.ts'
import { SubjectTemplate } from '../../sdk/contract/template.ts'
import type { ParamsFilter } from '../../sdk/contract/template-types.ts'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { isSubjectFilter } from '../../sdk/wire/subject.ts'
import { toSecretKey } from './keys.ts'

/** What tokens are signed with: the other half of what the bridge checks them with. */
export type SigningKey =
  | { readonly secret: string | Uint8Array }
  | {
      /** PEM (PKCS #8) or JWK. */
      readonly privateKey: string | JWK
      /** Such as `ES256`. */
      readonly algorithm: string
      /** The key's id in the JWKS. */
      readonly keyId?: string
    }

/**
 * Subjects of a permission: an event of the contract, whole or for some parameters, or a subject filter as it is.
 * `{{claim}}` in a filter is filled by the bridge.
 */
export type Grant<Contract> =
  | EventName<Contract>
  | { [Name in EventName<Contract>]: readonly [name: Name, params: ParamsFilter<Name>] }[EventName<Contract>]
  | { readonly filter: string }

/** What a token says. */
export type TokenClaims<Contract extends Events> = {
  /** Who it is for: the claim `sub`. */
  readonly user: string
  /** The contract that grants are named by. */
  readonly events: Contract
  /** What may be published. Default: nothing. */
  readonly publish?: ReadonlyArray<Grant<Contract>>
  /** What may be subscribed to. Default: nothing. */
  readonly subscribe?: ReadonlyArray<Grant<Contract>>
  readonly deny?: {
    readonly publish?: ReadonlyArray<Grant<Contract>>
    readonly subscribe?: ReadonlyArray<Grant<Contract>>
  }
  /** For responders: how often each request may be answered (default 1) and how long, in ms (default 120,000). */
  readonly reply?: { readonly max?: number; readonly ttl?: number }
  /** How long it lasts, in s. The SDK gets a new one before it ends. Keep it short: a token can't be taken back. */
  readonly expiresIn: number
  readonly issuer?: string
  readonly audience?: string
  /** More claims, such as the tenant that `subjectPrefix` names. */
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
  if (!(expiresIn > 0)) throw new SpanwireError('invalid-argument', 'expiresIn must be a number of seconds above 0.')
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
        throw new SpanwireError('invalid-subject', `${JSON.stringify(grant.filter)} is no subject filter.`)
      }
      return grant.filter
    }
    const [name, params] = typeof grant === 'string' ? [grant, {}] : grant
    if (!Object.hasOwn(events, name))
      throw new SpanwireError('unknown-event', `The contract has no event ${JSON.stringify(name)}.`)
    return new SubjectTemplate(name).filter(params)
  })
}

/** An array has a `filter`, too. */
function isFilter<Contract>(grant: Grant<Contract>): grant is { readonly filter: string } {
  return typeof grant === 'object' && !Array.isArray(grant)
}
