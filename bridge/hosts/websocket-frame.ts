/**
 * Room for a binary message of `length` bytes of a server, behind its head. What a server sends has no mask, so it is the
 * same for all clients. Source: RFC 6455, 5.2.
 * @param allocate gives room for so many bytes
 */
export function allocateMessage<Bytes extends Uint8Array>(length: number, allocate: (length: number) => Bytes): Bytes {
  const head = length < 126 ? 2 : length < 65_536 ? 4 : 10
  const frame = allocate(head + length)
  frame[0] = 0x82
  frame[1] = head === 2 ? length : head === 4 ? 126 : 127
  // The length once more, from its lowest byte on; 2 or 8 bytes of it.
  for (let at = head - 1, rest = length; at > 1; at--) {
    frame[at] = rest
    rest = Math.floor(rest / 256)
  }
  return frame
}
