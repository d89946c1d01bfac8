import { errors } from 'jose'
import type { TokenOptions } from './token-verifier.ts'

/** Expected values. The log may show them next to the values of a token whose signature is valid. */
type Expected = Pick<TokenOptions, 'issuer' | 'audience' | 'clockTolerance'>

/**
 * Why credentials were refused, for the log of the bridge. Clients do not get it. Of a token, the text contains only issuer,
 * audience and times, and only if the signature is valid. Undefined if the message of the error states the reason.
 * @param error rejection of {@link Authenticate}
 * @param now in ms since 1970
 */
export function explainRefusal(error: unknown, expected: Expected, now: number): string | undefined {
  return reasonOf(Object(error).cause, expected, now / 1_000)
}

function reasonOf(cause: unknown, { issuer, audience, clockTolerance = 5 }: Expected, now: number): string | undefined {
  if (cause instanceof errors.JWTExpired)
    return `The token expired ${seconds(now - Number(cause.payload.exp))} ago (tolerance ${clockTolerance} s).`
  if (cause instanceof errors.JWTClaimValidationFailed) {
    const { claim, payload, reason } = cause
    if (claim === 'nbf' && payload.nbf !== undefined)
      return `The token is not valid for another ${seconds(payload.nbf - now)}.`
    if (claim === 'aud')
      return `The audience of the token is ${quote(payload.aud)}, and auth.audience is ${quote(audience)}.`
    if (claim === 'iss') return `The issuer of the token is ${quote(payload.iss)}, and auth.issuer is ${quote(issuer)}.`
    return `The claim ${quote(claim)} of the token is not valid (${reason}).`
  }
  if (cause instanceof errors.JWSSignatureVerificationFailed)
    return 'The signature of the token does not match the key.'
  if (cause instanceof errors.JWKSNoMatchingKey) return 'The JWKS has no key for the token.'
  if (cause instanceof errors.JOSEAlgNotAllowed) return 'The algorithm of the token is not in auth.algorithms.'
  // A SyntaxError of JSON.parse quotes a part of the token.
  return cause instanceof Error && !(cause instanceof SyntaxError) ? quote(cause.message) : undefined
}

function seconds(value: number): string {
  return `${Math.max(0, Math.round(value))} s`
}

/** As JSON: text of a client must not look like another line of the log. */
function quote(value: unknown): string {
  return (JSON.stringify(value) ?? 'not set').slice(0, 120)
}
