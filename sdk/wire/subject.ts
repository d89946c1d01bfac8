/**
 * Subject grammar, shared by the SDK and the bridge.
 * Source: https://docs.nats.io/nats-concepts/subjects and nats-server's `IsValidSubject`.
 */

// Subjects travel in a space-separated control line, so white space and control characters can't be part of one;
// half a surrogate pair can't be written in UTF-8, and would become another subject. No token is empty.
// biome-ignore-start lint/suspicious/noControlCharactersInRegex: they are what is refused
const NOT_A_SUBJECT = /[\u0000-\u0020\u007f\p{Surrogate}]|(^|\.)[*>]?(\.|$)/u
const NOT_A_FILTER = /[\u0000-\u0020\u007f\p{Surrogate}]|(^|\.)(>?\.|$)/u
// biome-ignore-end lint/suspicious/noControlCharactersInRegex: they are what is refused

/** Whether `subject` can be published to: no empty token, no white space, no token that is a wildcard. */
export function isSubject(subject: string): boolean {
  return !NOT_A_SUBJECT.test(subject)
}

/** Whether `filter` can be subscribed to: a subject in which a token may be `*`, and the last one `>`. */
export function isSubjectFilter(filter: string): boolean {
  return !NOT_A_FILTER.test(filter)
}

/** Whether `filter` has a wildcard token, so that it stands for more than one subject. */
export function hasWildcard(filter: string): boolean {
  return filter.split('.').some((token) => token === '*' || token === '>')
}

/** Whether a message on `subject` reaches a subscription to `filter`. Both must be valid. */
export function matchesFilter(filter: string, subject: string): boolean {
  return isSubsetFilter(subject, filter)
}

/** Whether every subject that matches `inner` also matches `outer`. A literal subject is a filter of itself. */
export function isSubsetFilter(inner: string, outer: string): boolean {
  const innerTokens = inner.split('.')
  const outerTokens = outer.split('.')
  for (let i = 0; i < outerTokens.length; i++) {
    const token = outerTokens[i]
    if (token === '>') return innerTokens.length > i
    const other = innerTokens[i]
    if (other === undefined || other === '>') return false
    if (token !== '*' && token !== other) return false
  }
  return innerTokens.length === outerTokens.length
}

/** Whether some subject matches both filters. */
export function filtersOverlap(a: string, b: string): boolean {
  const left = a.split('.')
  const right = b.split('.')
  for (let i = 0; ; i++) {
    const x = left[i]
    const y = right[i]
    if (x === undefined || y === undefined) return x === y
    if (x === '>' || y === '>') return true
    if (x !== '*' && y !== '*' && x !== y) return false
  }
}
