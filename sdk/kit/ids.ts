/** Returns an unguessable token of `length` lower-case letters and digits, with 5.1 bits each. */
export function randomToken(length: number): string {
  // 256 is not a multiple of 36, so four characters are more likely than the others. The 5.1 bits account for that.
  return Array.from(crypto.getRandomValues(new Uint8Array(length)), (byte) => (byte % 36).toString(36)).join('')
}

/** Returns a generator of globally unique ids: a random prefix of 82 bits and a counter. */
export function createIds(): () => string {
  const prefix = randomToken(16)
  let count = 0
  return () => prefix + (count++).toString(36)
}
