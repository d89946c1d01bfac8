/** A line end of the NATS protocol. */
export const CRLF: string = '\r\n'

const encoder = new TextEncoder()
// A byte order mark is a part of the text, such as of a subject.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** Text as UTF-8. */
export const encode = (text: string): Uint8Array => encoder.encode(text)

/** UTF-8 as text, all of it. */
export const decode = (bytes?: Uint8Array): string => decoder.decode(bytes)

/** Joins chunks. A single chunk is returned unchanged. */
export function join(chunks: readonly Uint8Array[]): Uint8Array {
  if (chunks.length === 1) return chunks[0] as Uint8Array
  const bytes = new Uint8Array(chunks.reduce((size, { length }) => size + length, 0))
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.length
  }
  return bytes
}

const LINE_END = encode(CRLF)

/** Encodes a protocol message: a control line, and optionally a header block and a payload. */
export function encodeFrame(line: string, headers?: Uint8Array, payload?: Uint8Array): Uint8Array {
  const head = encode(line + CRLF)
  if (!payload) return head
  return join(headers ? [head, headers, payload, LINE_END] : [head, payload, LINE_END])
}
