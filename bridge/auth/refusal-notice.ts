import { errors } from 'jose'
import { isSpanwireError } from '../../sdk/wire/errors.ts'
import type { TokenOptions } from './token-verifier.ts'

/** Expected values. The log may show them next to the values of a token whose signature is valid. */
type Expected = Pick<TokenOptions, 'issuer' | 'audience' | 'clockTolerance'>

/**
 * Why credentials were refused, for the log of the bridge. Clients do not get it. Of a token, the text contains only issuer,
 * audience and times, and only if the signature is valid.
 * @param error rejection of {@link Authenticate}
 * @param now in ms since 1970
 */
export function explainRefusal(error: unknown, expected: Expected, now: number): string {
  const cause = (error as { cause?: unknown }).cause ?? error
  const what = isSpanwireError(error, 'upstream-unavailable')
    ? 'Credentials could not be checked'
    : 'A client was refused'
  return `${what}: ${reasonOf(cause, expected, now / 1_000)}`
}

function reasonOf(cause: unknown, { issuer, audience, clockTolerance = 5 }: Expected, now: number): string {
  if (cause instanceof errors.JWTExpired)
    return `its token expired ${seconds(now - Number(cause.payload.exp))} ago (tolerance ${clockTolerance} s).`
  if (cause instanceof errors.JWTClaimValidationFailed) {
    const { claim, payload, reason } = cause
    if (claim === 'nbf' && payload.nbf !== undefined)
      return `its token is not valid for another ${seconds(payload.nbf - now)}.`
    if (claim === 'aud')
      return `the audience of its token is ${quote(payload.aud)}, and auth.audience is ${quote(audience)}.`
    if (claim === 'iss') return `the issuer of its token is ${quote(payload.iss)}, and auth.issuer is ${quote(issuer)}.`
    return `the claim ${quote(claim)} of its token is not valid (${reason}).`
  }
  if (cause instanceof errors.JWSSignatureVerificationFailed)
    return 'the signature of its token does not match the key.'
  if (cause instanceof errors.JWKSNoMatchingKey) return 'the JWKS has no key for its token.'
  if (cause instanceof errors.JOSEAlgNotAllowed) return 'the algorithm of its token is not in auth.algorithms.'
  return cause instanceof Error ? quote(cause.message) : 'no reason is known.'
}

function seconds(value: number): string {
  return `${Math.max(0, Math.round(value))} s`
}

/** As JSON: text of a client must not look like another line of the log. */
function quote(value: unknown): string {
  return (JSON.stringify(value) ?? 'not set').slice(0, 120)
}
