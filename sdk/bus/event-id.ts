const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** An unguessable token of `length` letters and digits: 5.9 bits each. */
export function randomToken(length: number): string {
  let token = ''
  while (token.length < length) {
    // Six bits at a time; 62 and 63 are thrown away, so that all digits are equally likely.
    for (const byte of crypto.getRandomValues(new Uint8Array(length))) {
      if (token.length < length) token += DIGITS[byte & 63] ?? ''
    }
  }
  return token
}

/** A source of ids that are unique everywhere: a random prefix (83 bits) and a counter, both in base 62. */
export function createIds(prefix: string = randomToken(14)): () => string {
  let count = 0
  return () => {
    let digits = ''
    for (let rest = count++; rest > 0 || digits === ''; rest = Math.floor(rest / 62))
      digits = DIGITS[rest % 62] + digits
    return prefix + digits
  }
}
