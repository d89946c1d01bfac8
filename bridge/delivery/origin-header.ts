/**
 * Publishes of a client that asked for `echo: false` carry its connection id, because the hub's one upstream
 * connection has to have its own messages back for everybody else.
 */
export const ORIGIN_HEADER = 'Spanwire-Origin'

const encoder = new TextEncoder()
const LINE = encoder.encode(`\r\n${ORIGIN_HEADER}: `)
const BLOCK_END = encoder.encode('\r\n\r\n')
const EMPTY_BLOCK = encoder.encode('NATS/1.0\r\n\r\n')

/**
 * Adds the connection id to a header block, or makes one. Every other byte stays as it is: a block that isn't whole is
 * left alone, and its message comes back to its publisher.
 */
export function withOrigin(headers: Uint8Array = EMPTY_BLOCK, id: string): Uint8Array {
  const end = headers.length - BLOCK_END.length
  if (end < 0 || !startsAt(headers, BLOCK_END, end)) return headers
  const line = encoder.encode(`\r\n${ORIGIN_HEADER}: ${id}`)
  const block = new Uint8Array(headers.length + line.length)
  block.set(headers.subarray(0, end))
  block.set(line, end)
  block.set(BLOCK_END, end + line.length)
  return block
}

/** The connection that published this message and doesn't want it back. The last such line counts: the bridge's own. */
export function originOf(headers: Uint8Array): string | undefined {
  let origin: string | undefined
  // Every line begins after a CR: stepping from one to the next looks at each header line once.
  for (let at = headers.indexOf(13); at >= 0; at = headers.indexOf(13, at + 1)) {
    if (!startsAt(headers, LINE, at)) continue
    const start = at + LINE.length
    const end = headers.indexOf(13, start)
    if (end > 0) origin = new TextDecoder().decode(headers.subarray(start, end))
  }
  return origin
}

function startsAt(bytes: Uint8Array, part: Uint8Array, offset: number): boolean {
  return part.every((byte, index) => bytes[offset + index] === byte)
}
