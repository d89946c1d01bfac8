/**
 * The claims of a JWT; undefined if it is none. Nothing is verified: that is the server's part.
 * Source: RFC 7519
 */
export function readClaims(token: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const text = atob(token.split('.')[1]?.replaceAll('-', '+').replaceAll('_', '/') ?? '')
    const claims: unknown = JSON.parse(text)
    return typeof claims === 'object' && claims !== null ? (claims as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
