import { encodeHeaders, parseHeaders } from '../../sdk/protocol/headers.ts'

/**
 * Publishes of a client that asked for `echo: false` carry its connection id, because the hub's one upstream
 * connection has to have its own messages back for everybody else.
 */
export const ORIGIN_HEADER = 'Spanwire-Origin'

const needle = new TextEncoder().encode(`\r\n${ORIGIN_HEADER}: `)

/** Adds the connection id to a header block, or makes one. */
export function withOrigin(headers: Uint8Array | undefined, id: string): Uint8Array {
  const fields = headers ? parseHeaders(headers).fields : []
  return encodeHeaders([...fields.filter(([name]) => name !== ORIGIN_HEADER), [ORIGIN_HEADER, id]])
}

/** The connection that published this message and doesn't want it back. */
export function originOf(headers: Uint8Array): string | undefined {
  if (!contains(headers, needle)) return undefined
  return parseHeaders(headers).fields.find(([name]) => name === ORIGIN_HEADER)?.[1]
}

function contains(bytes: Uint8Array, part: Uint8Array): boolean {
  // Every line begins with CR: stepping from one to the next looks at each header line once.
  for (let at = bytes.indexOf(13); at >= 0; at = bytes.indexOf(13, at + 1)) {
    if (part.every((byte, index) => bytes[at + index] === byte)) return true
  }
  return false
}
