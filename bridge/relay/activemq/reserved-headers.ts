/**
 * Headers of an event with a name that STOMP or a broker uses itself, such as `destination`. A frame has them with a prefix.
 * Without it they would be lost: the first value of a name is valid, and a broker sets its own.
 */
import type { HeaderFields } from '../../../sdk/wire/headers.ts'

/** Prefix of a header whose name is reserved. */
const PREFIX = 'spanwire-header-'

/** Source: STOMP 1.2, headers of SEND and MESSAGE. */
const RESERVED = new Set([
  'receipt',
  'transaction',
  'content-length',
  'content-type',
  'destination',
  'ack',
  'id',
  'subscription',
  'message-id',
])

/** Returns headers for a frame that has the headers `own`. Names that are taken get a prefix. */
export function toFrameHeaders(headers: HeaderFields, own: HeaderFields): HeaderFields {
  const taken = new Set(own.map(([name]) => name.toLowerCase()))
  return headers.map(([name, value]) => {
    const lower = name.toLowerCase()
    return taken.has(lower) || RESERVED.has(lower) ? [PREFIX + name, value] : [name, value]
  })
}

/** Returns the headers of a frame. A header with the prefix replaces the frame's own header of that name. */
export function fromFrameHeaders(headers: HeaderFields): HeaderFields {
  const prefixed = headers.filter(([name]) => name.startsWith(PREFIX))
  if (prefixed.length === 0) return headers
  const restored = prefixed.map(([name, value]) => [name.slice(PREFIX.length), value] as const)
  const names = new Set(restored.map(([name]) => name.toLowerCase()))
  const others = headers.filter(([name]) => !name.startsWith(PREFIX) && !names.has(name.toLowerCase()))
  return [...restored, ...others]
}
