/** Some codes of a close event are for local use only. Source: RFC 6455, section 7.4. */
function isSendable(code: number): boolean {
  return (code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) || (code >= 3000 && code <= 4999)
}

/** In bytes. A control frame has at most 125, two of them for the code. Source: RFC 6455, section 5.5. */
const MAX_REASON = 123

/** Arguments for `close`. A code that must not be sent becomes 1000, and a reason that is too long is truncated. */
export function toSendableClose(code: number, reason: string): readonly [number, string] {
  return [isSendable(code) ? code : 1000, truncate(reason)]
}

function truncate(reason: string): string {
  const bytes = new TextEncoder().encode(reason)
  if (bytes.length <= MAX_REASON) return reason
  // An incomplete last character is dropped.
  return new TextDecoder().decode(bytes.subarray(0, MAX_REASON), { stream: true })
}
