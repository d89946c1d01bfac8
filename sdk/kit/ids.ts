/** An unguessable token of `length` lower-case letters and digits: 5.1 bits each. */
export function randomToken(length: number): string {
  // 256 isn't a multiple of 36: four of them are a bit likelier than the rest, which the bits account for.
  return Array.from(crypto.getRandomValues(new Uint8Array(length)), (byte) => (byte % 36).toString(36)).join('')
}

/** A source of ids that are unique everywhere: a random prefix (82 bits) and a counter. */
export function createIds(): () => string {
  const prefix = randomToken(16)
  let count = 0
  return () => prefix + (count++).toString(36)
}
