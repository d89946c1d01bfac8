/** RFC 6455, section 7.4: what can be sent, of the codes that a close event can carry. */
function isSendable(code: number): boolean {
  return (code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) || (code >= 3000 && code <= 4999)
}

/** RFC 6455, section 5.5: a control frame has at most 125 bytes, and the code takes two of them. */
const MAX_REASON = 123

/** The arguments of `close` that answer a client's close, or are as near to those given as can be sent. */
export function toSendableClose(code: number, reason: string): readonly [number, string] {
  return [isSendable(code) ? code : 1000, truncate(reason)]
}

function truncate(reason: string): string {
  const bytes = new TextEncoder().encode(reason)
  if (bytes.length <= MAX_REASON) return reason
  // A character that was cut in the middle is dropped.
  return new TextDecoder().decode(bytes.subarray(0, MAX_REASON), { stream: true })
}
