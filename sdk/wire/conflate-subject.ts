/** Conflated subscriptions: `SUB $EDGE.CONFLATE.<filter>`. Source: bridge/PROTOCOL.md, Conflation. */
const PREFIX = '$EDGE.CONFLATE.'

/** Returns the subject for a conflated subscription to a filter. */
export function conflatedFilter(filter: string): string {
  return PREFIX + filter
}

/** Returns the filter of a conflated subscription. Undefined for other subjects. */
export function parseConflated(subject: string): string | undefined {
  return subject.startsWith(PREFIX) ? subject.slice(PREFIX.length) : undefined
}
