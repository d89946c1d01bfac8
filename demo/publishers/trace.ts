/** Creates the header of a new trace. Source: W3C Trace Context, traceparent. */
export function newTrace(): [name: string, value: string] {
  return ['traceparent', `00-${randomHex(16)}-${randomHex(8)}-01`]
}

function randomHex(bytes: number): string {
  return [...crypto.getRandomValues(new Uint8Array(bytes))].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}
