/** One binary message of a server, as bytes: what a server sends has no mask, so it is the same for all clients. Source: RFC 6455, 5.2. */
export function encodeServerFrame(message: Uint8Array): Uint8Array<ArrayBuffer> {
  const { length } = message
  const head = length < 126 ? 2 : length < 65_536 ? 4 : 10
  const frame = new Uint8Array(head + length)
  frame[0] = 0x82
  const view = new DataView(frame.buffer)
  if (head === 2) frame[1] = length
  else if (head === 4) {
    frame[1] = 126
    view.setUint16(2, length)
  } else {
    frame[1] = 127
    view.setBigUint64(2, BigInt(length))
  }
  frame.set(message, head)
  return frame
}

/**
 * Encodes a message once for all the clients that are sent it one after the other.
 * @param wrap makes of a frame what the host's sockets take as it is
 */
export function createFrameEncoder<Frame>(
  wrap: (frame: Uint8Array<ArrayBuffer>) => Frame,
): (message: Uint8Array) => Frame {
  let last: { readonly message: Uint8Array; readonly frame: Frame } | undefined
  return (message) => {
    if (message !== last?.message) last = { message, frame: wrap(encodeServerFrame(message)) }
    return last.frame
  }
}
