/** Tokens for bridges, signed in any runtime. */
export { type Grant, type SigningKey, signToken, type TokenClaims, tokenEndpoint } from './sign-token.ts'
