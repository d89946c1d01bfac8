/**
 * White space that is not a blank, a tab or a line end: Unicode's property `White_Space`, what JavaScript means by `\s`,
 * and characters that are treated like it. NATS allows all of them in a subject.
 */
export const UNICODE_WHITE_SPACE: readonly string[] = [
  '\u0085',
  '\u00a0',
  '\u1680',
  '\u180e',
  ...Array.from({ length: 12 }, (_, index) => String.fromCharCode(0x2000 + index)),
  '\u2028',
  '\u2029',
  '\u202f',
  '\u205f',
  '\u2060',
  '\u3000',
  '\ufeff',
]
