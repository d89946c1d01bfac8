/** A line end of the NATS protocol. */
export const CRLF: string = '\r\n'

const encoder = new TextEncoder()

/** One protocol message: a control line and, if given, header block and payload, each in its place, in one buffer. */
export function encodeFrame(line: string, headers?: Uint8Array, payload?: Uint8Array): Uint8Array {
  if (!payload) return encoder.encode(line + CRLF)
  const head = encoder.encode(line + CRLF)
  const headerLength = headers?.length ?? 0
  const bytes = new Uint8Array(head.length + headerLength + payload.length + 2)
  bytes.set(head)
  if (headers) bytes.set(headers, head.length)
  bytes.set(payload, head.length + headerLength)
  bytes[bytes.length - 2] = 13
  bytes[bytes.length - 1] = 10
  return bytes
}
