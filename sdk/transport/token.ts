/** A token, or a function that returns a new one. */
export type TokenSource = string | (() => string | Promise<string>)

/**
 * A token that a function returned. An application's server that is in trouble answers with something else.
 * @throws Error if it is anything but a string with content
 */
export function toToken(token: unknown): string {
  if (token && typeof token === 'string') return token
  throw new Error('it returned no token')
}
