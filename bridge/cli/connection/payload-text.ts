/** Payloads as text for terminals and JSON: nothing that a publisher sends may control the terminal. */

const strict = new TextDecoder('utf-8', { fatal: true })
/** Control characters (ESC and C1 steer terminals) and marks that reorder text. */
const UNSAFE = /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

/** A payload, read. */
export type PayloadText =
  /** `text` is valid JSON on one line. */
  | { readonly kind: 'json'; readonly text: string }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }

export function readPayload(payload: Uint8Array): PayloadText {
  let text: string
  try {
    text = strict.decode(payload)
  } catch {
    return { kind: 'bytes', bytes: payload }
  }
  try {
    const value: unknown = JSON.parse(text)
    // The text of the publisher, so that numbers keep all digits. On one line.
    return { kind: 'json', text: /[\r\n]/.test(text) ? JSON.stringify(value) : text.trim() }
  } catch {
    return { kind: 'text', text }
  }
}

/** Text without anything that controls a terminal. */
export function escapeText(text: string): string {
  return text.replace(UNSAFE, (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`)
}

/** A payload on one line, for people. */
export function showPayload(payload: Uint8Array): string {
  const read = readPayload(payload)
  if (read.kind === 'json') return escapeText(read.text)
  if (read.kind === 'text') return escapeText(JSON.stringify(read.text))
  return `${read.bytes.length} bytes ${Buffer.from(read.bytes.subarray(0, 48)).toString('base64')}${read.bytes.length > 48 ? '…' : ''}`
}

/** A payload as the fields of a line of JSON: `"data":…` or `"base64":…`. */
export function payloadField(payload: Uint8Array): string {
  const read = readPayload(payload)
  if (read.kind === 'bytes') return `"base64":${JSON.stringify(Buffer.from(read.bytes).toString('base64'))}`
  return `"data":${read.kind === 'json' ? read.text : JSON.stringify(read.text)}`
}
