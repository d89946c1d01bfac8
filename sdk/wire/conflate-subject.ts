/** A subscription that may skip: `SUB $EDGE.CONFLATE.<filter>`. Source: bridge/PROTOCOL.md, Conflation. */
const PREFIX = '$EDGE.CONFLATE.'

/** What a client subscribes to, so that it gets the newest message of each subject while it is behind. */
export function conflatedFilter(filter: string): string {
  return PREFIX + filter
}

/** The filter that such a subscription is about; undefined if it is another. */
export function parseConflated(subject: string): string | undefined {
  return subject.startsWith(PREFIX) ? subject.slice(PREFIX.length) : undefined
}
