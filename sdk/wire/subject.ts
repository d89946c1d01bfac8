/**
 * Subject grammar, shared by the SDK and the bridge.
 * Source: https://docs.nats.io/nats-concepts/subjects and nats-server's `IsValidSubject`.
 */

// A control line is separated by spaces, so a subject has no white space and no control characters. A lone surrogate has
// no encoding in UTF-8, and would become another subject. Tokens are not empty.
// biome-ignore-start lint/suspicious/noControlCharactersInRegex: they are not allowed
const NOT_A_SUBJECT = /[\u0000-\u0020\u007f\p{Surrogate}]|(^|\.)[*>]?(\.|$)/u
const NOT_A_FILTER = /[\u0000-\u0020\u007f\p{Surrogate}]|(^|\.)(>?\.|$)/u
// biome-ignore-end lint/suspicious/noControlCharactersInRegex: they are not allowed

/** Whether `subject` is valid for publishing: no empty token, no white space, no wildcard token. */
export function isSubject(subject: string): boolean {
  return !NOT_A_SUBJECT.test(subject)
}

/** Whether `filter` is valid for subscribing: a subject whose tokens may be `*`, and the last one `>`. */
export function isSubjectFilter(filter: string): boolean {
  return !NOT_A_FILTER.test(filter)
}

/** Whether `filter` has a wildcard token. */
export function hasWildcard(filter: string): boolean {
  return filter.split('.').some((token) => token === '*' || token === '>')
}

/** Whether `subject` matches `filter`. Both must be valid. */
export function matchesFilter(filter: string, subject: string): boolean {
  return isSubsetFilter(subject, filter)
}

/** Whether every subject that matches `inner` also matches `outer`. A subject is a filter that matches only itself. */
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

/** Whether at least one subject matches both filters. */
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
