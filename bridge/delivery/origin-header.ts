import { join } from '../../sdk/wire/bytes.ts'

/**
 * Carries the connection id of a client with `echo: false`. NATS's own `echo: false` does not work for the hub's shared
 * upstream connection: other clients need its messages.
 */
export const ORIGIN_HEADER = 'Spanwire-Origin'

const CR = 13
const encoder = new TextEncoder()
const LINE = encoder.encode(`\r\n${ORIGIN_HEADER}: `)
const BLOCK_END = encoder.encode('\r\n\r\n')
const EMPTY_BLOCK = encoder.encode('NATS/1.0\r\n\r\n')

/**
 * Adds the connection id to a header block, or creates one. An incomplete block is returned unchanged. All other bytes stay
 * the same.
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

/** The publishing client's connection id, if it has `echo: false`. The last such line counts: the bridge wrote it. */
export function originOf(headers: Uint8Array): string | undefined {
  let origin: string | undefined
  // Each line begins after a CR, so this looks at each header line once.
  for (let at = headers.indexOf(CR); at >= 0; at = headers.indexOf(CR, at + 1)) {
    if (!startsAt(headers, LINE, at)) continue
    const start = at + LINE.length
    const end = headers.indexOf(CR, start)
    if (end > 0) origin = new TextDecoder().decode(headers.subarray(start, end))
  }
  return origin
}

/**
 * The header block as its receivers see it: without origin headers, which name a connection of the bridge. Undefined if
 * nothing else is left.
 */
export function withoutOrigin(headers: Uint8Array): Uint8Array | undefined {
  let block = headers
  for (let at = block.indexOf(CR); at >= 0; ) {
    const end = startsAt(block, LINE, at) ? block.indexOf(CR, at + LINE.length) : -1
    if (end < 0) at = block.indexOf(CR, at + 1)
    // Looks again from the same place, where the next line begins now.
    else block = join([block.subarray(0, at), block.subarray(end)])
  }
  const isEmpty = block !== headers && block.length === EMPTY_BLOCK.length && startsAt(block, EMPTY_BLOCK, 0)
  return isEmpty ? undefined : block
}

function startsAt(bytes: Uint8Array, part: Uint8Array, offset: number): boolean {
  return part.every((byte, index) => bytes[offset + index] === byte)
}
