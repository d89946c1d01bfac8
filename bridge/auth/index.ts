/** Tokens for bridges: sign them in any runtime, or let an application's own session be turned into one. */
export { type Grant, type SigningKey, signToken, type TokenClaims } from './sign-token.ts'
export { tokenEndpoint } from './token-endpoint.ts'
